import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type RawResponse, sendRaw, serve } from '../support/http.js'
import { AUDIENCE } from '../support/outcome.js'
import { harnesses } from './contract/all.js'
import type { Harness, Setup } from './contract/harness.js'

/** Attack 46: what `Object.prototype` was polluted with is no header, no option and no part of a request. */

const METADATA_PATH = '/.well-known/oauth-protected-resource'

let issuer: MockIssuer
let tokens: { good: string; reader: string; expired: string }
/** What the issuer answers, made before anything is polluted: its own code is not what is tested. */
const answers = new Map<string, string>()
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  tokens = {
    good: await issuer.issueToken({ subject: 'user-1' }),
    reader: await issuer.issueToken({ subject: 'user-2', scopes: ['read'] }),
    expired: await issuer.issueToken({ expiresInSeconds: -60 }),
  }
  const metadataUrl = `${issuer.issuer}/.well-known/oauth-authorization-server`
  const metadata = await (await issuer.fetch(metadataUrl)).text()
  answers.set(metadataUrl, metadata)
  const { jwks_uri: jwksUri }: { jwks_uri: string } = JSON.parse(metadata)
  answers.set(jwksUri, await (await issuer.fetch(jwksUri)).text())
})

/** Every name that is read off a request, an option or a record of this library, with what would change a decision. */
const POLLUTION: Readonly<Record<string, unknown>> = {
  // Requests
  originalUrl: METADATA_PATH,
  baseUrl: METADATA_PATH,
  rawHeaders: ['authorization', 'Bearer a', 'authorization', 'Bearer b'],
  headersDistinct: { authorization: ['Bearer a', 'Bearer b'] },
  authorization: 'Bearer a',
  Authorization: 'Bearer a',
  'access-control-request-method': 'GET',
  'x-forwarded-for': '192.0.2.1',
  auth: { subject: 'admin', scopes: ['read'] },
  matched: [],
  route: { stack: [] },
  // Options
  optional: true,
  errors: 'throw',
  global: false,
  decorator: false,
  verifier: { authenticateIfPresent: () => undefined },
  protectedResource: false,
  getToken: () => undefined,
  validate: () => false,
  scopes: ['other'],
  anyScope: ['other'],
  acrValues: ['gold'],
  maxAgeSeconds: 0,
  audience: null,
  introspection: 'always',
  maxTokenBytes: 1,
  cache: false,
  scopeImplies: () => true,
  // Records
  deferred: { gate: {}, request: {} },
  refusal: { error: new Error('polluted') },
  anonymous: { headers: {} },
  satisfied: [],
  gate: {},
  kind: 'anonymous',
  earlier: { kind: 'anonymous' },
  authenticator: {},
  own: { decorator: false },
  throws: true,
  resource: { respond: () => undefined },
  context: {},
  hasChallengeContext: true,
  getResponse: () => new Response('polluted'),
  body: 'polluted',
  // Not an object with this member, which `await` would look at.
  ...Object.fromEntries([['then', 'polluted']]),
  property: 'polluted',
  acr_values: 'polluted',
  error: 'polluted',
  errorDescription: 'polluted',
  resourceMetadata: 'https://polluted.example',
  requiredScopes: ['polluted'],
  reason: 'expired',
  claim: 'polluted',
  added: { 'X-Polluted': '1' },
  removeTrailer: 'polluted',
  headersSent: true,
  statusMessage: 'Polluted',
}

function pollute(name: string, value: unknown): void {
  // As an assignment would: it can be replaced and is found by `for … in`.
  Object.defineProperty(Object.prototype, name, {
    __proto__: null,
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  } as PropertyDescriptor)
}

function clean(name: string): void {
  Reflect.deleteProperty(Object.prototype, name)
}

const requests = (): readonly [string, string, readonly string[], string?][] => {
  const bearer = (token: string) => [`Authorization: Bearer ${token}`]
  return [
    ['nothing', '/me', []],
    ['a good token', '/me', bearer(tokens.good)],
    ['an expired token', '/me', bearer(tokens.expired)],
    ['too little scope', '/read', bearer(tokens.good)],
    ['enough scope', '/read', bearer(tokens.reader)],
    ['two tokens', '/me', [...bearer(tokens.good), ...bearer(tokens.reader)]],
    ['Basic', '/me', ['Authorization: Basic eDp5']],
    ['the document', METADATA_PATH, []],
    ['OPTIONS that is no preflight request', METADATA_PATH, [], 'OPTIONS'],
    ['the root', '/', []],
  ]
}

/** What an API answers, as far as it is a decision. */
async function decisions(port: number): Promise<Record<string, unknown>> {
  const decided: Record<string, unknown> = Object.create(null)
  for (const [what, path, lines, method = 'GET'] of requests()) {
    const response: RawResponse = await sendRaw(port, path, lines, { method })
    decided[what] = [
      response.status,
      // A framework's own page names the URL that it sees.
      response.status === 404 ? '' : response.body,
      response.headers.get('www-authenticate'),
      response.headers.get('x-polluted'),
    ]
  }
  return decided
}

function build(harness: Harness, setup: Partial<Setup> = {}) {
  return harness.build({
    options: {
      audience: AUDIENCE,
      fetch: async (input) => new Response(answers.get(String(input)) ?? null),
    },
    routes: [
      {
        path: '/me',
        handle: ({ getAuth, property }) => [getAuth().subject, property === getAuth()],
      },
      { path: '/read', demands: [['read'], {}], handle: () => 'read' },
      { path: '/whoami', handle: ({ property }) => property === undefined },
    ],
    optional: false,
    errors: 'respond',
    headers: {},
    placement: 'global',
    ...setup,
  })
}

describe.each(harnesses)('%s', (_, harness) => {
  // Fastify itself does not start with one of them, and Node creates no web `Request` with another.
  const broken = harness.name.startsWith('Fastify') ? 'then' : harness.isBare ? 'body' : ''
  const names = Object.keys(POLLUTION).filter((name) => name !== broken)
  /** Those that matter more where guards authenticate. */
  const ofRoutes = [
    'auth',
    'global',
    'optional',
    'deferred',
    'refusal',
    'anonymous',
    'gate',
    'kind',
    'earlier',
    'authenticator',
    'route',
    'matched',
  ]
  const rows = [
    ...names.map((name) => ({ name, placement: 'global' as const })),
    ...ofRoutes.map((name) => ({ name, placement: 'route' as const })),
  ]

  it.each(rows)('$name, polluted after the start and before it: $placement', async ({ name, placement }) => {
    const { port } = await serve(await build(harness, { placement }))
    const expected = await decisions(port)
    expect(expected['a good token']).toEqual([200, '["user-1",true]', undefined, undefined])
    expect(expected.nothing).toEqual(expect.arrayContaining([401]))

    onTestFinished(() => clean(name))
    pollute(name, POLLUTION[name])
    const after = await decisions(port)
    const listener = await build(harness, { placement })
    clean(name)
    const later = await serve(listener)
    pollute(name, POLLUTION[name])
    const before = await decisions(later.port)
    clean(name)
    expect(after).toEqual(expected)
    expect(before).toEqual(expected)
  })

  it.each(['auth', 'refusal', 'deferred', 'anonymous', 'kind', 'earlier'])(
    'optional: anonymous, with %s',
    async (name) => {
      const { port } = await serve(await build(harness, { optional: true }))
      onTestFinished(() => clean(name))
      pollute(name, POLLUTION[name])
      const { status, body } = await sendRaw(port, '/whoami')
      const refused = await sendRaw(port, '/read')
      clean(name)
      expect([status, body, refused.status]).toEqual([200, 'true', 401])
    },
  )
})
