import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { ownMembers } from '../../packages/core/src/testing.js'
import { startServer } from '../support/http.js'
import type { HttpClient } from '../support/http-client.js'
import { AUDIENCE } from '../support/outcome.js'
import { scale } from '../support/scale.js'
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
  dpop: 'required',
  mtls: 'tls',
  senderConstrained: true,
  socket: { remoteAddress: '127.0.0.1', getPeerCertificate: () => ({ raw: Buffer.from('x') }) },
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
  isDpop: true,
  nonce: 'polluted',
  confirmation: { jkt: 'polluted' },
  cnf: { jkt: 'polluted' },
  presented: {},
  provenToken: 'polluted',
  attempt: 'polluted',
  nextNonce: 'polluted',
  scheme: 'dpop',
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

type Requests = readonly (readonly [what: string, path: string, lines: readonly string[], method?: string])[]

const bearer = (token: string) => [`Authorization: Bearer ${token}`]
const requests = (): Requests => [
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
const anonymousRequests = (): Requests => [
  ['nothing', '/whoami', []],
  ['nothing, at a guard', '/read', []],
]

type Decisions = Readonly<Record<string, unknown>>

/** What an API answers, as far as it is a decision. */
async function decisionsOf(client: HttpClient, sent: Requests): Promise<Decisions> {
  const decided: Record<string, unknown> = Object.create(null)
  for (const [what, path, lines, method = 'GET'] of sent) {
    const { status, body, headers } = await client.request(method, path, lines)
    decided[what] = [
      status,
      // A framework's own page names the URL that it sees.
      status === 404 ? '' : body,
      headers.get('www-authenticate'),
      headers.get('x-polluted'),
    ]
  }
  return decided
}

function build(harness: Harness, setup: Partial<Setup>) {
  // The harness reads options that are not set.
  const complete: Setup = {
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
  }
  return harness.build(ownMembers(complete))
}

/** Those that matter more where guards authenticate. */
const OF_ROUTES = [
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
/** Those that could let a caller without a token in, or turn it away. */
const OF_ANONYMOUS = ['auth', 'refusal', 'deferred', 'anonymous', 'kind', 'earlier']

/** An API that was started before anything was polluted, and what it decides then. */
interface Api {
  readonly title: string
  /** What is polluted. */
  readonly names: readonly string[]
  readonly sent: Requests
  readonly expected: Decisions
  readonly client: HttpClient
  /** Builds it again. */
  rebuild(): Promise<HttpClient>
  close(): Promise<void>
}

async function startApi(
  title: string,
  harness: Harness,
  setup: Partial<Setup>,
  names: readonly string[],
  sent: Requests,
): Promise<Api> {
  let listener = await build(harness, setup)
  const server = await startServer(listener)
  // Node itself is not what is tested: this server, too, is started before anything is polluted.
  const rebuilt = await startServer((request, response) => listener(request, response))
  // Fastify itself does not start with one of them, and Node creates no web `Request` with another.
  const broken = harness.name.startsWith('Fastify') ? 'then' : harness.isBare ? 'body' : ''
  return {
    title: `${harness.name}, ${title}`,
    names: names.filter((name) => name !== broken),
    sent,
    expected: await decisionsOf(server.client, sent),
    client: server.client,
    async rebuild() {
      listener = await build(harness, setup)
      return rebuilt.client
    },
    async close() {
      await Promise.all([server.close(), rebuilt.close()])
    },
  }
}

const apis: Api[] = []
beforeAll(async () => {
  const names = Object.keys(POLLUTION)
  for (const [, harness] of harnesses)
    apis.push(
      await startApi('global', harness, { placement: 'global' }, names, requests()),
      await startApi('route', harness, { placement: 'route' }, OF_ROUTES, requests()),
      await startApi('optional', harness, { optional: true }, OF_ANONYMOUS, anonymousRequests()),
    )
  return () => Promise.all(apis.map((api) => api.close()))
})

it('nothing is polluted', () => {
  const unauthenticated = expect.arrayContaining([401])
  for (const { title, expected } of apis)
    expect({ title, ...expected }).toMatchObject(
      title.endsWith('optional')
        ? { nothing: [200, 'true', undefined, undefined], 'nothing, at a guard': unauthenticated }
        : { nothing: unauthenticated, 'a good token': [200, '["user-1",true]', undefined, undefined] },
    )
})

// Each name once for all frameworks: what V8 knows about objects is void whenever `Object.prototype` changes.
it.each(Object.keys(POLLUTION))('%s, polluted after the start of an API and before it', async (name) => {
  // In the suite, each name meets every request, but each API half of them.
  const affected = apis
    .filter(({ names }) => names.includes(name))
    .map((api, round) => {
      const sent = api.sent.filter((_, index) => (index + round) % 2 < scale(1, 2))
      return { ...api, sent, expected: Object.fromEntries(sent.map(([what]) => [what, api.expected[what]])) }
    })
  onTestFinished(() => clean(name))
  pollute(name, POLLUTION[name])
  const decided = await Promise.allSettled(
    affected.map(async ({ title, sent, client, rebuild }) => {
      const after = await decisionsOf(client, sent)
      const before = await decisionsOf(await rebuild(), sent)
      return [title, after, before]
    }),
  )
  clean(name)
  expect(decided).toEqual(
    affected.map(({ title, expected }) => ({ status: 'fulfilled', value: [title, expected, expected] })),
  )
})
