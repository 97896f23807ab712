import type { SetupName } from './setups.js'

/** The rules that fall on requests and challenges, as `conformance.md` numbers them. */
export const RULES: readonly string[] = [
  ...['B1', 'B2', 'B3', 'B4', 'B5', 'B6', 'B7', 'B8'],
  ...['P1', 'P2', 'P3', 'P4', 'P5', 'P6'],
  'S1',
  'J10',
]

/** A request, and the exact answer in every framework. */
export interface Case {
  readonly rules: readonly string[]
  readonly what: string
  /** Which API; `default` when it is not said. */
  readonly setup?: SetupName
  readonly method?: string
  readonly path: string
  /** Header lines as they are on the wire; `{name}` stands for a token. */
  readonly lines?: readonly string[]
  readonly body?: string
  readonly answer: Answer
}

/** Headers that are not named must be absent, but for those that say nothing about the answer. */
interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** `undefined`: it is the framework's own. */
  readonly body: string | undefined
}

const JSON_TYPE = { 'content-type': 'application/json' }
const NOT_STORED = { 'cache-control': 'no-store' }
const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'

const bearer = (token: string): readonly string[] => [`Authorization: Bearer {${token}}`]
const get = (path: string, token?: string): Pick<Case, 'path' | 'lines'> => ({
  path,
  ...(token !== undefined && { lines: bearer(token) }),
})

const ok = (value: unknown): Answer => ({ status: 200, body: JSON.stringify(value) })
const refused = (status: number, challenge: string, body: object): Answer => ({
  status,
  headers: { ...JSON_TYPE, ...NOT_STORED, 'www-authenticate': challenge },
  body: JSON.stringify(body),
})
/** Without credentials: no error. */
const missing = (parameters: string = METADATA): Answer =>
  refused(401, `Bearer realm="api"${parameters && `, ${parameters}`}`, { code: 'ERR_TOKEN_MISSING' })
const failed = (
  status: number,
  error: string,
  code: string,
  description: string,
  parameters: string = METADATA,
): Answer =>
  refused(
    status,
    `Bearer realm="api", error="${error}", error_description="${description}"${parameters && `, ${parameters}`}`,
    { error, error_description: description, code },
  )
const invalidToken = (code: string, description: string, parameters?: string): Answer =>
  failed(401, 'invalid_token', code, description, parameters)
const invalidRequest = (code: string, description: string): Answer =>
  failed(400, 'invalid_request', code, description, '')
const insufficientScope = (scope: string, metadata: string = METADATA): Answer =>
  failed(
    403,
    'insufficient_scope',
    'ERR_SCOPE_INSUFFICIENT',
    'The access token lacks a required scope',
    `scope="${scope}", ${metadata}`,
  )
const stepUp = (parameters: string): Answer =>
  failed(
    401,
    'insufficient_user_authentication',
    'ERR_AUTHENTICATION_INSUFFICIENT',
    'A stronger or more recent authentication is required',
    `${parameters}, ${METADATA}`,
  )

const malformed = invalidRequest(
  'ERR_REQUEST_MALFORMED',
  'The Authorization header is not a well-formed Bearer credential',
)
const repeated = invalidRequest('ERR_TOKEN_REPEATED', 'The request carries more than one credential')
const expired = invalidToken('ERR_TOKEN_EXPIRED', 'The access token expired')
const foreign = (parameters?: string) =>
  invalidToken('ERR_AUDIENCE_NOT_ALLOWED', 'The access token is for another audience', parameters)
const unavailable: Answer = {
  status: 503,
  headers: { ...JSON_TYPE, ...NOT_STORED, 'retry-after': '5' },
  body: '{"error":"temporarily_unavailable","error_description":"The authorization server cannot be discovered","code":"ERR_DISCOVERY_FAILED"}',
}
const broken: Answer = { status: 500, body: undefined }
const me = (subject: string, scopes: readonly string[] = []): Answer => ok({ subject, scopes, same: true })

const METADATA_PATH = '/.well-known/oauth-protected-resource'
const CORS = { 'access-control-allow-origin': '*' }
const document = (members: object): Answer => ({
  status: 200,
  headers: { ...JSON_TYPE, ...CORS, 'cache-control': 'public, max-age=300' },
  body: JSON.stringify(members),
})
const described = (resource: string): Answer =>
  document({
    resource,
    authorization_servers: ['https://api.telnyx.com'],
    bearer_methods_supported: ['header'],
  })
const preflight: Answer = {
  status: 204,
  headers: {
    ...CORS,
    'access-control-allow-methods': 'GET, HEAD',
    'access-control-allow-headers': '*, Authorization',
    'access-control-max-age': '86400',
  },
  body: '',
}
const PREFLIGHT_LINES = [
  'Origin: https://app.example.com',
  'Access-Control-Request-Method: GET',
  'Access-Control-Request-Headers: mcp-protocol-version',
]

const credentials: readonly Case[] = [
  { rules: ['B1'], what: 'a good token', ...get('/me', 'good'), answer: me('user-1') },
  { rules: ['B1'], what: 'one with scopes', ...get('/me', 'both'), answer: me('user-1', ['read', 'write']) },
  ...['bearer', 'BEARER', 'bEaReR'].map(
    (scheme): Case => ({
      rules: ['B1'],
      what: `the scheme as ${scheme}`,
      path: '/me',
      lines: [`Authorization: ${scheme} {good}`],
      answer: me('user-1'),
    }),
  ),
  {
    rules: ['B1'],
    what: 'any number of spaces before the token, and blanks around the value',
    path: '/me',
    lines: ['AUTHORIZATION: \t  Bearer     {good}  \t'],
    answer: me('user-1'),
  },
  ...Object.entries({
    'the scheme alone': 'Bearer',
    'two words': 'Bearer {good} more',
    'a parameter after the token': 'Bearer {good};x=1',
    'a quoted token': 'Bearer "{good}"',
    'a tab': 'Bearer\t{good}',
    'a colon': 'Bearer: {good}',
    'an equals sign in the middle': 'Bearer a=b',
    'equals signs alone': 'Bearer ==',
  }).map(
    ([what, value]): Case => ({
      rules: ['B1', 'B3'],
      what,
      path: '/me',
      lines: [`Authorization: ${value}`],
      // A scheme is a token of RFC 9110, and a colon cannot be in one: what has it is Bearer with something wrong.
      answer: malformed,
    }),
  ),
  {
    rules: ['B2'],
    what: 'a token in the query',
    path: '/me?access_token={good}',
    answer: missing(),
  },
  {
    rules: ['B2'],
    what: 'a token in the query beside a bad one in the header',
    path: '/me?access_token={good}',
    lines: bearer('expired'),
    answer: expired,
  },
  {
    rules: ['B2'],
    what: 'a token in the query beside a good one in the header',
    path: '/me?access_token={other}',
    lines: bearer('good'),
    answer: me('user-1'),
  },
  {
    rules: ['B2'],
    what: 'a token in a form',
    method: 'POST',
    path: '/form',
    lines: ['Content-Type: application/x-www-form-urlencoded'],
    body: 'access_token={good}',
    answer: missing(),
  },
  {
    rules: ['B2'],
    what: 'a token in a cookie',
    path: '/me',
    lines: ['Cookie: access_token={good}; Authorization=Bearer {good}'],
    answer: missing(),
  },
  {
    rules: ['B2'],
    what: 'a token in other headers',
    path: '/me',
    lines: ['Proxy-Authorization: Bearer {good}', 'X-Access-Token: {good}'],
    answer: missing(),
  },
  ...Object.entries({
    'two tokens in two headers': ['Authorization: Bearer {good}', 'Authorization: Bearer {other}'],
    'the same token twice': ['Authorization: Bearer {good}', 'Authorization: Bearer {good}'],
    'Basic first': ['Authorization: Basic YTpi', 'authorization: Bearer {good}'],
    'Basic second': ['Authorization: Bearer {good}', 'authorization: Basic YTpi'],
    'two in one header': ['Authorization: Bearer {good}, Bearer {other}'],
    'Basic and Bearer in one header': ['Authorization: Basic YTpi, Bearer {good}'],
    'an empty one first': ['Authorization:', 'Authorization: Bearer {good}'],
  }).map(([what, lines]): Case => ({ rules: ['B3'], what, path: '/me', lines, answer: repeated })),
  {
    rules: ['B4', 'B5'],
    what: 'no credentials, where nothing but the realm is known',
    setup: 'urn',
    path: '/me',
    answer: missing(''),
  },
  { rules: ['B4', 'B5', 'P3'], what: 'no credentials', path: '/me', answer: missing() },
  {
    rules: ['B5'],
    what: 'no credentials for a route that is not there',
    path: '/nowhere',
    answer: missing(),
  },
  {
    rules: ['B5'],
    what: 'HEAD without credentials',
    method: 'HEAD',
    path: '/me',
    answer: { ...missing(), body: '' },
  },
  ...[
    'Basic YTpi',
    'Digest username="bearer", realm="x, Bearer y"',
    'DPoP {good}',
    'Bearerish {good}',
    'Token {good}',
    '{good}',
    '',
  ].map(
    (value): Case => ({
      rules: ['B5'],
      what: `another scheme, or none: ${value || 'an empty header'}`,
      path: '/me',
      lines: [`Authorization: ${value}`],
      answer: missing(),
    }),
  ),
  ...['"\\', '\xff\xe4\x80', "'; DROP TABLE", '<script>', '{good}\x80'].map(
    (value): Case => ({
      rules: ['B7', 'B1'],
      what: `nothing of the request is in the answer: ${JSON.stringify(value)}`,
      path: '/me',
      lines: [`Authorization: Bearer ${value}`],
      answer: malformed,
    }),
  ),
  {
    rules: ['B8'],
    what: 'the application lets scripts read the challenge',
    setup: 'headers',
    path: '/me',
    answer: {
      ...missing(),
      headers: {
        ...missing().headers,
        'access-control-allow-origin': 'https://app.example.com',
        'access-control-expose-headers': 'WWW-Authenticate',
      },
    },
  },
]

const tokens: readonly Case[] = [
  { rules: ['B6', 'P3'], what: 'an expired token', ...get('/me', 'expired'), answer: expired },
  ...(
    [
      ['early', 'ERR_TOKEN_NOT_YET_VALID', 'The access token is not valid yet'],
      ['stranger', 'ERR_ISSUER_NOT_ALLOWED', 'The access token is from an issuer that is not accepted'],
      ['unknown key', 'ERR_KEY_NOT_FOUND', 'The access token is signed with a key that is not known'],
      ['id token', 'ERR_TYP_INVALID', 'The type of the token is not that of an access token'],
      [
        'hmac',
        'ERR_ALGORITHM_NOT_ALLOWED',
        'The access token is signed with an algorithm that is not allowed',
      ],
      [
        'unsigned',
        'ERR_ALGORITHM_NOT_ALLOWED',
        'The access token is signed with an algorithm that is not allowed',
      ],
      ['without exp', 'ERR_CLAIM_MISSING', 'The access token lacks a required claim'],
      ['bad scope', 'ERR_CLAIM_INVALID', 'The access token has a claim with an invalid value'],
      ['tampered', 'ERR_SIGNATURE_INVALID', 'The signature of the access token is invalid'],
    ] as const
  ).map(
    ([token, code, description]): Case => ({
      rules: ['B6'],
      what: `a token that is ${token}`,
      ...get('/me', token),
      answer: invalidToken(code, description),
    }),
  ),
  {
    rules: ['B6'],
    what: 'what is no JWT',
    path: '/me',
    lines: ['Authorization: Bearer abc'],
    answer: invalidToken('ERR_TOKEN_MALFORMED', 'The access token is not a well-formed signed JWT'),
  },
  {
    rules: ['B6'],
    what: 'a token that is too large',
    setup: 'small',
    ...get('/me', 'huge'),
    answer: invalidToken('ERR_TOKEN_TOO_LARGE', 'The access token is too large'),
  },
  ...['bound by DPoP', 'bound by mTLS', 'bound somehow'].map(
    (token): Case => ({
      rules: ['J10'],
      what: `a token that is ${token}, as Bearer`,
      ...get('/me', token),
      answer: invalidToken(
        'ERR_TOKEN_BOUND',
        'The access token is bound to a key and cannot be used as a Bearer token',
      ),
    }),
  ),
  { rules: ['P5'], what: 'a token for another audience', ...get('/me', 'foreign'), answer: foreign() },
  {
    rules: ['P5'],
    what: 'one for an audience that begins the same',
    ...get('/me', 'prefix'),
    answer: foreign(),
  },
  {
    rules: ['P5', 'P3'],
    what: 'a token for the host, at a resource with a path',
    setup: 'path',
    ...get('/me', 'good'),
    answer: foreign('resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp"'),
  },
  {
    rules: ['P5'],
    what: 'a token for the resource with a path',
    setup: 'path',
    ...get('/me', 'mcp'),
    answer: me('user-1'),
  },
  {
    rules: ['B6'],
    what: 'an issuer that is down is no fault of the token',
    setup: 'down',
    ...get('/me', 'good'),
    answer: unavailable,
  },
  {
    rules: ['B6'],
    what: 'what is bad without asking is refused even then',
    setup: 'down',
    ...get('/me', 'expired'),
    answer: expired,
  },
]

const scopes: readonly Case[] = [
  { rules: ['B6'], what: 'the scope that is needed', ...get('/read', 'read'), answer: ok('read') },
  {
    rules: ['B6', 'P3'],
    what: 'no scope',
    ...get('/read', 'good'),
    answer: insufficientScope('read'),
  },
  {
    rules: ['B6'],
    what: 'scopes that look alike',
    ...get('/read', 'similar'),
    answer: insufficientScope('read'),
  },
  {
    rules: ['B6'],
    what: 'one of two: both are named',
    ...get('/both', 'read'),
    answer: insufficientScope('read write'),
  },
  { rules: ['B6'], what: 'two of two', ...get('/both', 'both'), answer: ok('both') },
  { rules: ['B6'], what: 'one of any', ...get('/any', 'read'), answer: ok('any') },
  { rules: ['B6'], what: 'none of any', ...get('/any', 'good'), answer: insufficientScope('read write') },
  {
    rules: ['B6'],
    what: 'two guards: the first names what the second needs',
    setup: 'inRoute',
    ...get('/twice', 'good'),
    answer: insufficientScope('read write'),
  },
  { rules: ['B6'], what: 'two guards', setup: 'inRoute', ...get('/twice', 'both'), answer: ok('twice') },
  {
    rules: ['B6'],
    what: 'another method of the same path needs something else',
    setup: 'inRoute',
    method: 'POST',
    ...get('/read', 'read'),
    answer: insufficientScope('write'),
  },
  { rules: ['B6'], what: 'a token alone is enough', ...get('/caller', 'good'), answer: ok('caller') },
  {
    rules: ['P4'],
    what: 'offline_access is never asked for',
    ...get('/offline', 'good'),
    answer: insufficientScope('read'),
  },
  { rules: ['P4'], what: 'but checked', ...get('/offline', 'offline'), answer: ok('offline') },
  {
    rules: ['P4', 'B5'],
    what: 'no credentials: the default policy names its scopes',
    setup: 'policy',
    path: '/me',
    answer: missing(`scope="read write admin", ${METADATA}`),
  },
  {
    rules: ['B6', 'P4'],
    what: 'a bad token: so it does',
    setup: 'policy',
    ...get('/me', 'expired'),
    answer: invalidToken(
      'ERR_TOKEN_EXPIRED',
      'The access token expired',
      `scope="read write admin", ${METADATA}`,
    ),
  },
  {
    rules: ['B6'],
    what: 'the default policy is enforced',
    setup: 'policy',
    ...get('/me', 'read'),
    answer: insufficientScope('read write admin'),
  },
  {
    rules: ['B6'],
    what: 'and satisfied',
    setup: 'policy',
    ...get('/me', 'offline'),
    answer: me('user-1', ['read', 'write', 'offline_access']),
  },
  {
    rules: ['P4', 'B5'],
    what: 'no credentials: the route names its scopes',
    setup: 'inRoute',
    path: '/both',
    answer: missing(`scope="read write", ${METADATA}`),
  },
  {
    rules: ['P4', 'B5'],
    what: 'no credentials: for HEAD those of GET',
    setup: 'inRoute',
    method: 'HEAD',
    path: '/read',
    answer: { ...missing(`scope="read", ${METADATA}`), body: '' },
  },
  {
    rules: ['P4', 'B5'],
    what: 'no credentials: for POST those of POST',
    setup: 'inRoute',
    method: 'POST',
    path: '/read',
    answer: missing(`scope="write", ${METADATA}`),
  },
  {
    rules: ['P4', 'B5'],
    what: 'no credentials: a route that needs no scope names none',
    setup: 'inRoute',
    path: '/me',
    answer: missing(),
  },
  {
    rules: ['P4', 'B6'],
    what: 'a bad token: the route names its scopes',
    setup: 'inRoute',
    ...get('/any', 'expired'),
    answer: invalidToken('ERR_TOKEN_EXPIRED', 'The access token expired', `scope="read write", ${METADATA}`),
  },
  {
    rules: ['P4', 'B6'],
    what: 'the default policy and the route are named together',
    setup: 'inRoutePolicy',
    path: '/both',
    answer: missing(`scope="base read write", ${METADATA}`),
  },
  {
    rules: ['B6'],
    what: 'and together in a 403',
    setup: 'inRoutePolicy',
    ...get('/both', 'both'),
    answer: insufficientScope('base read write'),
  },
  {
    rules: ['B6'],
    what: 'and together satisfied',
    setup: 'inRoutePolicy',
    ...get('/both', 'all'),
    answer: ok('both'),
  },
  {
    rules: ['P6'],
    what: 'a broad scope implies a narrow one',
    setup: 'hierarchy',
    ...get('/both', 'read'),
    answer: ok('both'),
  },
  {
    rules: ['P6'],
    what: 'and nothing without the hook',
    ...get('/both', 'read'),
    answer: insufficientScope('read write'),
  },
]

const authentication: readonly Case[] = [
  { rules: ['S1'], what: 'an accepted acr', ...get('/gold', 'gold'), answer: ok('gold') },
  ...['good', 'silver', 'gold prefix', 'gold list'].map(
    (token): Case => ({
      rules: ['S1'],
      what: `no accepted acr: ${token}`,
      ...get('/gold', token),
      answer: stepUp('acr_values="urn:gold urn:platinum"'),
    }),
  ),
  { rules: ['S1'], what: 'recent enough', ...get('/fresh', 'gold'), answer: ok('fresh') },
  { rules: ['S1'], what: 'just recent enough', ...get('/fresh', 'just fresh'), answer: ok('fresh') },
  ...['good', 'stale', 'from the future', 'a word for a time'].map(
    (token): Case => ({
      rules: ['S1'],
      what: `not known to be recent: ${token}`,
      ...get('/fresh', token),
      answer: stepUp('max_age="300"'),
    }),
  ),
  ...['good', 'silver', 'stale'].map(
    (token): Case => ({
      rules: ['S1', 'P4'],
      what: `everything that is needed is named at once: ${token}`,
      ...get('/pay', token),
      answer: stepUp('scope="pay", acr_values="urn:gold", max_age="300"'),
    }),
  ),
  {
    rules: ['S1', 'B6'],
    what: 'strong, without the scope',
    ...get('/pay', 'gold'),
    answer: insufficientScope('pay'),
  },
  {
    rules: ['S1'],
    what: 'strong, recent and with the scope',
    ...get('/pay', 'gold and may pay'),
    answer: ok('paid'),
  },
  ...['silver', 'stale', 'good'].map(
    (token): Case => ({
      rules: ['S1'],
      what: `the default policy is enforced: ${token}`,
      setup: 'stepUp',
      ...get('/whoami', token),
      answer: stepUp('acr_values="urn:gold", max_age="300"'),
    }),
  ),
  {
    rules: ['S1'],
    what: 'the default policy is satisfied',
    setup: 'stepUp',
    ...get('/whoami', 'gold'),
    answer: ok({ anonymous: false }),
  },
  {
    rules: ['S1', 'B5'],
    what: 'without a token, only the scope is named',
    setup: 'inRoute',
    path: '/pay',
    answer: missing(`scope="pay", ${METADATA}`),
  },
]

const metadata: readonly Case[] = [
  {
    rules: ['P1', 'P2'],
    what: 'the document, without a token',
    path: METADATA_PATH,
    answer: described('https://api.example.com'),
  },
  {
    rules: ['P1'],
    what: 'with a bad token',
    ...get(METADATA_PATH, 'expired'),
    answer: described('https://api.example.com'),
  },
  {
    rules: ['P1'],
    what: 'HEAD',
    method: 'HEAD',
    path: METADATA_PATH,
    answer: { ...described('https://api.example.com'), body: '' },
  },
  {
    rules: ['P1'],
    what: 'a preflight request',
    method: 'OPTIONS',
    path: METADATA_PATH,
    lines: PREFLIGHT_LINES,
    answer: preflight,
  },
  {
    rules: ['P1'],
    what: 'all that is configured',
    setup: 'described',
    path: METADATA_PATH,
    answer: document({
      resource: 'https://api.example.com',
      authorization_servers: ['https://api.telnyx.com'],
      scopes_supported: ['read', 'write'],
      bearer_methods_supported: ['header'],
      resource_name: 'Messages',
      resource_documentation: 'https://docs.example.com/messages',
      resource_policy_uri: 'https://example.com/policy',
      'resource_name#de': 'Nachrichten',
    }),
  },
  {
    rules: ['P1', 'P4'],
    what: 'the scopes of the default policy',
    setup: 'policy',
    path: METADATA_PATH,
    answer: document({
      resource: 'https://api.example.com',
      authorization_servers: ['https://api.telnyx.com'],
      scopes_supported: ['read', 'write', 'admin'],
      bearer_methods_supported: ['header'],
    }),
  },
  {
    rules: ['P1', 'P2'],
    what: 'an issuer that is down does not matter',
    setup: 'down',
    path: METADATA_PATH,
    answer: described('https://api.example.com'),
  },
  {
    rules: ['P1'],
    what: 'a query that means nothing',
    path: `${METADATA_PATH}?x=1`,
    answer: described('https://api.example.com'),
  },
  {
    rules: ['P2'],
    what: 'a slash at the end',
    path: `${METADATA_PATH}/`,
    answer: described('https://api.example.com'),
  },
  {
    rules: ['P2'],
    what: 'the slash of the root is not part of the path',
    setup: 'root',
    path: METADATA_PATH,
    answer: described('https://api.example.com/'),
  },
  {
    rules: ['P2'],
    what: 'an identifier with a path',
    setup: 'path',
    path: `${METADATA_PATH}/mcp`,
    answer: described('https://api.example.com/mcp'),
  },
  {
    rules: ['P2'],
    what: 'an identifier whose path ends in a slash',
    setup: 'slash',
    path: `${METADATA_PATH}/mcp/`,
    answer: described('https://api.example.com/mcp/'),
  },
  {
    rules: ['P2'],
    what: 'the same, as clients ask who cut the slash',
    setup: 'slash',
    path: `${METADATA_PATH}/mcp`,
    answer: described('https://api.example.com/mcp/'),
  },
  {
    rules: ['P2'],
    what: 'an identifier with a query',
    setup: 'query',
    path: `${METADATA_PATH}/mcp?tenant=1`,
    answer: described('https://api.example.com/mcp?tenant=1'),
  },
  ...(
    [
      ['the root, where the identifier has a path', 'path', METADATA_PATH],
      ['another path', 'path', `${METADATA_PATH}/mcp/other`],
      ['a path that begins the same', 'path', `${METADATA_PATH}/mcp2`],
      ['another query, where the identifier has one', 'query', `${METADATA_PATH}/mcp?tenant=2`],
      ['no query, where the identifier has one', 'query', `${METADATA_PATH}/mcp`],
    ] as const
  ).map(([what, setup, path]): Case => {
    const suffix = setup === 'query' ? '/mcp?tenant=1' : '/mcp'
    return {
      rules: ['P2'],
      what: `not at ${what}`,
      setup,
      path,
      answer: missing(
        `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource${suffix}"`,
      ),
    }
  }),
  ...[
    `/v1${METADATA_PATH}`,
    '/.well-known/oauth-protected-resources',
    '/.well-known/OAuth-protected-resource',
    '/.well-known/oauth-protected-resource%2f',
    `//host${METADATA_PATH}`,
    `/me?${METADATA_PATH}`,
  ].map((path): Case => ({ rules: ['P2'], what: `not at ${path}`, path, answer: missing() })),
  {
    rules: ['P1'],
    what: 'another method stays with the application, and is protected',
    method: 'POST',
    path: METADATA_PATH,
    answer: missing(),
  },
  {
    rules: ['P1'],
    what: 'another method stays with the application',
    method: 'POST',
    ...get(METADATA_PATH, 'good'),
    answer: ok('mine'),
  },
  {
    rules: ['P1'],
    what: 'OPTIONS that is no preflight request stays with the application',
    method: 'OPTIONS',
    path: METADATA_PATH,
    answer: missing(),
  },
  ...(['urn', 'several', 'undescribed'] as const).flatMap((setup): Case[] => [
    {
      rules: ['P1', 'P3'],
      what: `there is none: ${setup}`,
      setup,
      path: METADATA_PATH,
      answer: missing(''),
    },
    {
      rules: ['P1', 'P3'],
      what: `there is none, so a 403 names none: ${setup}`,
      setup,
      ...get('/read', setup === 'urn' ? 'urn' : 'good'),
      answer: failed(
        403,
        'insufficient_scope',
        'ERR_SCOPE_INSUFFICIENT',
        'The access token lacks a required scope',
        'scope="read"',
      ),
    },
  ]),
  {
    rules: ['P1', 'P3'],
    what: 'a resource that is named beside another audience',
    setup: 'named',
    path: METADATA_PATH,
    answer: described('https://api.example.com'),
  },
  {
    rules: ['P3'],
    what: 'and is named in challenges',
    setup: 'named',
    ...get('/me', 'good'),
    answer: foreign(),
  },
]

const getToken: readonly Case[] = [
  {
    rules: ['B1'],
    what: 'getToken: the token of another header',
    setup: 'getToken',
    path: '/me',
    lines: ['X-Access-Token: {good}', 'Authorization: Basic YTpi'],
    answer: me('user-1'),
  },
  {
    rules: ['B1', 'B6'],
    what: 'getToken: with the scope that a guard asks for',
    setup: 'getToken',
    path: '/read',
    lines: ['X-Access-Token: {read}'],
    answer: ok('read'),
  },
  {
    rules: ['B5'],
    what: 'getToken: the header of RFC 6750 is not looked at',
    setup: 'getToken',
    ...get('/me', 'good'),
    answer: missing(),
  },
  {
    rules: ['B6'],
    what: 'getToken: a bad token',
    setup: 'getToken',
    path: '/me',
    lines: ['X-Access-Token: {expired}'],
    answer: expired,
  },
  {
    rules: ['B6'],
    what: 'getToken: what no token is made of',
    setup: 'getToken',
    path: '/me',
    lines: ['X-Access-Token: {good} {good}'],
    answer: invalidToken('ERR_TOKEN_MALFORMED', 'The access token is not a well-formed signed JWT'),
  },
  {
    rules: ['B5'],
    what: 'getToken: an API key passes by',
    setup: 'apiKeys',
    path: '/whoami',
    lines: ['Authorization: Bearer KEY0123456789_abc'],
    answer: ok({ anonymous: true }),
  },
  {
    rules: ['B5', 'P4'],
    what: 'getToken: a guard refuses a caller with an API key',
    setup: 'apiKeys',
    path: '/read',
    lines: ['Authorization: Bearer KEY0123456789_abc'],
    answer: missing(`scope="read", ${METADATA}`),
  },
  {
    rules: ['B1'],
    what: 'getToken: a token beside API keys',
    setup: 'apiKeys',
    ...get('/me', 'good'),
    answer: me('user-1'),
  },
  {
    rules: ['B3'],
    what: 'getToken: a malformed credential beside API keys',
    setup: 'apiKeys',
    path: '/whoami',
    lines: ['Authorization: Bearer KEY 1'],
    answer: malformed,
  },
  {
    rules: ['B6'],
    what: 'getToken: what it throws is loud, and refuses the caller',
    setup: 'brokenGetToken',
    ...get('/whoami', 'good'),
    answer: broken,
  },
]

const behaviour: readonly Case[] = [
  {
    rules: ['B6'],
    what: 'a validate that says no',
    ...get('/rejects', 'good'),
    answer: invalidToken('ERR_TOKEN_REJECTED', 'The access token is not accepted'),
  },
  { rules: ['B6'], what: 'a validate that breaks is loud', ...get('/breaks', 'good'), answer: broken },
  {
    rules: ['B6'],
    what: 'a validate that breaks is loud, as part of the route',
    setup: 'inRoute',
    ...get('/breaks', 'good'),
    answer: broken,
  },
  { rules: ['B6'], what: 'a handler that throws', ...get('/throws', 'good'), answer: broken },
  {
    rules: ['B5'],
    what: 'optional: no credentials',
    setup: 'optional',
    path: '/whoami',
    answer: ok({ anonymous: true }),
  },
  {
    rules: ['B5'],
    what: 'optional: another scheme',
    setup: 'optional',
    path: '/whoami',
    lines: ['Authorization: Basic YTpi'],
    answer: ok({ anonymous: true }),
  },
  {
    rules: ['B5'],
    what: 'optional: a good token',
    setup: 'optional',
    ...get('/whoami', 'good'),
    answer: ok({ anonymous: false }),
  },
  {
    rules: ['B6'],
    what: 'optional: a bad token',
    setup: 'optional',
    ...get('/whoami', 'expired'),
    answer: expired,
  },
  {
    rules: ['B3'],
    what: 'optional: malformed credentials',
    setup: 'optional',
    path: '/whoami',
    lines: ['Authorization: Bearer'],
    answer: malformed,
  },
  {
    rules: ['B6'],
    what: 'optional: an issuer that is down',
    setup: 'optionalDown',
    ...get('/whoami', 'good'),
    answer: unavailable,
  },
  {
    rules: ['B5', 'P4'],
    what: 'optional: a route that needs a caller',
    setup: 'optional',
    path: '/caller',
    answer: missing(),
  },
  {
    rules: ['B5', 'P4'],
    what: 'optional: a route that needs scopes names them',
    setup: 'optional',
    path: '/both',
    answer: missing(`scope="read write", ${METADATA}`),
  },
  {
    rules: ['P1'],
    what: 'optional: the document',
    setup: 'optional',
    path: METADATA_PATH,
    answer: described('https://api.example.com'),
  },
  ...(
    [
      ['no credentials', undefined, '/me', missing(), 'ERR_TOKEN_MISSING'],
      ['a bad token', 'expired', '/me', expired, 'ERR_TOKEN_EXPIRED'],
      ['too little scope', 'good', '/read', insufficientScope('read'), 'ERR_SCOPE_INSUFFICIENT'],
      [
        'too weak',
        'good',
        '/gold',
        stepUp('acr_values="urn:gold urn:platinum"'),
        'ERR_AUTHENTICATION_INSUFFICIENT',
      ],
    ] as const
  ).flatMap(([what, token, path, { status, headers }, code]): Case[] => [
    {
      rules: ['B4', 'B6', 'P3'],
      what: `errors that the application answers: ${what}`,
      setup: 'handled',
      ...get(path, token),
      answer: {
        status,
        ...(headers && { headers }),
        body: JSON.stringify({ mine: code, status, statusCode: status, expose: true }),
      },
    },
    {
      rules: ['B4', 'B6', 'P3'],
      what: `errors that the application does not handle: ${what}`,
      setup: 'unhandled',
      ...get(path, token),
      answer: {
        status,
        headers: { ...NOT_STORED, 'www-authenticate': headers?.['www-authenticate'] ?? '' },
        body: undefined,
      },
    },
  ]),
]

export const cases: readonly Case[] = [
  ...credentials,
  ...tokens,
  ...scopes,
  ...authentication,
  ...metadata,
  ...getToken,
  ...behaviour,
]
