import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { createVerifier, type DpopOptions, type ReplayStore, type VerifierOptions } from '@telnyx-auth/core'
import { type Authorize, createAuthenticator, createGuards } from '@telnyx-auth/core/adapter'
import { telnyxAuth as telnyxAuthOfExpress } from '@telnyx-auth/express'
import { telnyxAuth as telnyxAuthOfFastify } from '@telnyx-auth/fastify'
import { telnyxAuth as telnyxAuthOfHono } from '@telnyx-auth/hono'
import { telnyxAuth as telnyxAuthOfKoa } from '@telnyx-auth/koa'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import express5 from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { MemoryReplayStore } from '../../packages/core/src/testing.js'
import { proofFor, thumbprint } from '../support/dpop.js'
import { makeKey, privateJwk } from '../support/forge.js'
import { serve } from '../support/http.js'
import type { HttpResponse } from '../support/http-client.js'
import { rejectionOf } from '../support/oauth-requests.js'
import { AUDIENCE } from '../support/outcome.js'
import { handleFor } from '../support/request-handle.js'
import { harnesses } from './contract/all.js'
import type { Route, Setup } from './contract/harness.js'
import { NOW } from './contract/tokens.js'

/** Proof of possession (RFC 9449) in every framework: the same requests, and the same answers byte for byte. */

const METADATA = 'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"'
const ALGS = 'algs="ES256"'
const SECRETS = ['a secret of at least thirty-two characters'] as const
const OLD_SECRETS = ['an old secret, of thirty-two characters or more'] as const

const key = makeKey('ES256')
const otherKey = makeKey('ES256')
const jkt = thumbprint(key)
let issuer: MockIssuer
/** Tokens by name. Those without `unbound` are bound to the key. */
let tokens: Readonly<Record<'bound' | 'reader' | 'other' | 'expired' | 'unbound' | 'unboundReader', string>>
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 })
  issuer = await createMockIssuer({ algorithm: 'ES256', now: () => NOW * 1000 })
  const cnf = { jkt }
  const issue = (scopes: readonly string[], claims: object) =>
    issuer.issueToken({ subject: 'user-1', scopes: [...scopes], claims: { ...claims } })
  tokens = {
    bound: await issue([], { cnf }),
    reader: await issue(['read'], { cnf }),
    other: await issue([], { cnf: { jkt: thumbprint(otherKey) } }),
    expired: await issue([], { cnf, exp: NOW - 60 }),
    unbound: await issue([], {}),
    unboundReader: await issue(['read'], {}),
  }
  return () => void vi.useRealTimers()
})

/** A proof of the token `bound` for GET /me, unless the options say otherwise. */
function prove(
  options: {
    readonly key?: typeof key
    readonly method?: string
    readonly url?: string
    readonly token?: string
    readonly nonce?: string | undefined
    readonly claims?: object
    readonly header?: object
  } = {},
): string {
  const { method = 'GET', url = `${AUDIENCE}/me`, token = tokens.bound, nonce, header = {} } = options
  const claims = { htm: method, htu: url, iat: NOW, nonce, ...options.claims }
  return proofFor(options.key ?? key, token, { claims, header })
}

const routes: readonly Route[] = [
  {
    path: '/me',
    handle: ({ property, getAuth }) => {
      const auth = getAuth()
      return { subject: auth.subject, confirmation: auth.confirmation, same: property === auth }
    },
  },
  { path: '/me', method: 'POST', handle: () => 'posted' },
  { path: '/whoami', handle: ({ property }) => ({ anonymous: property === undefined }) },
  { path: '/list/', handle: () => 'list' },
  { path: '/files/:name', handle: () => 'file' },
  { path: '/constrained', demands: [{ senderConstrained: true }], handle: () => 'constrained' },
  { path: '/read', demands: [['read']], handle: () => 'read' },
  { path: '/both', demands: [{ senderConstrained: true }, ['read']], handle: () => 'both' },
  { path: '/', handle: () => 'root' },
]

/** What a caller sees of an answer. Headers that are absent are `undefined`. */
interface Answer {
  readonly status: number
  readonly challenge?: string | undefined
  readonly nonce?: string | undefined
  readonly retryAfter?: string | undefined
  readonly body: string
}

const answerOf = ({ status, headers, body }: HttpResponse): Answer => ({
  status,
  challenge: headers.get('www-authenticate')?.join(' AND '),
  nonce: headers.get('dpop-nonce')?.join(' AND '),
  retryAfter: headers.get('retry-after')?.join(' AND '),
  body,
})

const ok = (value: unknown): Answer => ({
  status: 200,
  challenge: undefined,
  nonce: undefined,
  retryAfter: undefined,
  body: JSON.stringify(value),
})
const refused = (status: number, challenge: string, body: object): Answer => ({
  ...ok(body),
  status,
  challenge,
})
const bearerChallenge = (parameters: string) => `Bearer realm="api"${parameters}, ${METADATA}`
const dpopChallenge = (parameters: string) => `DPoP realm="api"${parameters}, ${METADATA}, ${ALGS}`

/** Refused under the scheme `DPoP`: one challenge. */
const failedAsDpop = (
  status: number,
  error: string,
  code: string,
  description: string,
  parameters: string = '',
): Answer =>
  refused(status, dpopChallenge(`, error="${error}", error_description="${description}"${parameters}`), {
    error,
    error_description: description,
    code,
  })
/** Refused under the scheme `Bearer`, where both are accepted: only the challenge of this scheme has an error. */
const failedAsBearer = (
  status: number,
  error: string,
  code: string,
  description: string,
  parameters: string = '',
): Answer =>
  refused(
    status,
    `${bearerChallenge(`, error="${error}", error_description="${description}"${parameters}`)}, ${dpopChallenge(parameters)}`,
    { error, error_description: description, code },
  )

const proofInvalid = failedAsDpop(
  401,
  'invalid_dpop_proof',
  'ERR_DPOP_PROOF_INVALID',
  'The DPoP proof is invalid',
)
const proofMissing = failedAsDpop(
  401,
  'invalid_dpop_proof',
  'ERR_DPOP_PROOF_MISSING',
  'The request carries no DPoP proof',
)
const proofReplayed = failedAsDpop(
  401,
  'invalid_dpop_proof',
  'ERR_DPOP_PROOF_REPLAYED',
  'The DPoP proof was used before',
)
const BOUND = [
  'ERR_TOKEN_BOUND',
  'The access token is bound to a key and cannot be used as a Bearer token',
] as const
const NOT_BOUND = ['ERR_TOKEN_NOT_BOUND', 'The access token is not bound to a key'] as const
const SCOPE = ['ERR_SCOPE_INSUFFICIENT', 'The access token lacks a required scope'] as const
const missing = refused(401, `${bearerChallenge('')}, ${dpopChallenge('')}`, { code: 'ERR_TOKEN_MISSING' })
const missingWhereRequired = refused(401, dpopChallenge(''), { code: 'ERR_TOKEN_MISSING' })

/** A header line for each proof, and one for the token. */
const linesOf = (token: string, ...proofs: readonly string[]): string[] => [
  `Authorization: DPoP ${token}`,
  ...proofs.map((proof) => `DPoP: ${proof}`),
]

describe.each(harnesses)('proofs on %s', (name, harness) => {
  const me = () => ok({ subject: 'user-1', confirmation: { jkt }, same: true })
  const optionsOf = (dpop: Partial<DpopOptions> = {}, options: VerifierOptions = {}): VerifierOptions => ({
    audience: AUDIENCE,
    fetch: issuer.fetch,
    dpop: { mode: 'optional', algorithms: ['ES256'], ...dpop },
    ...options,
  })
  /** An API; `ask` sends it one request. */
  const start = async (dpop?: Partial<DpopOptions>, { options, ...setup }: Partial<Setup> = {}) => {
    const built = await harness.build({ routes, options: optionsOf(dpop, options), ...setup })
    const { client, port } = await serve(built)
    return {
      port,
      ask: async (path: string, lines: readonly string[] = [], method = 'GET') =>
        answerOf(await client.request(method, path, lines)),
    }
  }
  it('O1 to O4, attack 50: each check of §4.3 by its number, refused with its code', async () => {
    const { ask } = await start()
    const good = prove()
    const [header = '', payload = '', signature = ''] = good.split('.')
    const [, foreignPayload = ''] = prove({ claims: { jti: 'another' } }).split('.')
    const bad: [check: string, proof: string][] = [
      ['1: empty', ''],
      ['1: two in one header', `${prove()}, ${prove()}`],
      ['2: no JWS', 'proof'],
      ['2: two parts', `${header}.${payload}`],
      ['3: no jti', prove({ claims: { jti: undefined } })],
      ['3: a jti of 257 characters', prove({ claims: { jti: 'x'.repeat(257) } })],
      ['3: no htm', prove({ claims: { htm: undefined } })],
      ['3: no htu', prove({ claims: { htu: undefined } })],
      ['3: no iat', prove({ claims: { iat: undefined } })],
      ['4: typ', prove({ header: { typ: 'JWT' } })],
      ['5: none', prove({ header: { alg: 'none' } })],
      ['5: HMAC', prove({ header: { alg: 'HS256' } })],
      ['5: not allowed here', prove({ header: { alg: 'ES512' } })],
      ['6: another payload', `${header}.${foreignPayload}.${signature}`],
      ['6: another signature', `${header}.${payload}.${'A'.repeat(86)}`],
      ['7: a private key', prove({ header: { jwk: privateJwk(key) } })],
      ['7: no key', prove({ header: { jwk: undefined } })],
      ['8: another method', prove({ method: 'POST' })],
      ['8: another case', prove({ method: 'get' })],
      ['9: another host', prove({ url: 'https://other.example.com/me' })],
      ['9: another port', prove({ url: `${AUDIENCE}:8443/me` })],
      ['9: http', prove({ url: 'http://api.example.com/me' })],
      ['9: a slash at the end', prove({ url: `${AUDIENCE}/me/` })],
      ['9: another case', prove({ url: `${AUDIENCE}/ME` })],
      ['9: dot segments', prove({ url: `${AUDIENCE}/x/%2e%2e/me/..` })],
      ['11: too old', prove({ claims: { iat: NOW - 61 } })],
      ['11: from the future', prove({ claims: { iat: NOW + 61 } })],
      ['12a: no ath', prove({ claims: { ath: undefined } })],
      ['12a: of another token', prove({ token: tokens.other })],
    ]
    for (const [check, proof] of bad)
      expect([check, await ask('/me', linesOf(tokens.bound, proof))]).toEqual([check, proofInvalid])
    const foreign = prove({ key: otherKey })
    expect(await ask('/me', linesOf(tokens.bound, foreign)), '12b').toMatchObject({ status: 401 })
    // The positive control: what all of these were made from.
    expect(await ask('/me', linesOf(tokens.bound, good))).toEqual(me())
  })

  describe.each(['global', 'route'] as const)('placement: %s', (placement) => {
    it('§7.1: a good proof is accepted, and getAuth() has the confirmation', async () => {
      const { ask } = await start({}, { placement })
      expect(await ask('/me', linesOf(tokens.bound, prove()))).toEqual(me())
    })

    it('§11.1: the same proof is refused the second time', async () => {
      const { ask } = await start({}, { placement })
      const lines = linesOf(tokens.bound, prove())
      expect(await ask('/me', lines)).toEqual(me())
      expect(await ask('/me', lines)).toEqual(proofReplayed)
      // Another one of the same key is as good as the first.
      expect(await ask('/me', linesOf(tokens.bound, prove()))).toEqual(me())
    })

    it('§11.1: of requests at the same time with one proof, one is accepted', async () => {
      const { ask } = await start({}, { placement })
      const lines = linesOf(tokens.bound, prove())
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask('/me', lines)))
      expect(answers.filter(({ status }) => status === 200)).toEqual([me()])
      expect(answers.filter(({ status }) => status !== 200)).toEqual(Array(4).fill(proofReplayed))
    })

    it('§4.3, check 8: HEAD is not GET', async () => {
      const { ask } = await start({}, { placement })
      expect((await ask('/me', linesOf(tokens.bound, prove({ method: 'HEAD' })), 'HEAD')).status).toBe(200)
      const { status, challenge } = await ask('/me', linesOf(tokens.bound, prove()), 'HEAD')
      expect([status, challenge]).toEqual([401, proofInvalid.challenge])
    })

    it('§4.3, check 1: no proof, and two of them', async () => {
      const { ask } = await start({}, { placement })
      expect(await ask('/me', linesOf(tokens.bound))).toEqual(proofMissing)
      expect(await ask('/me', linesOf(tokens.bound, prove(), prove()))).toEqual(proofInvalid)
      const proof = prove()
      expect(await ask('/me', linesOf(tokens.bound, proof, proof))).toEqual(proofInvalid)
      expect(await ask('/me', linesOf(tokens.bound, `${prove()}, ${prove()}`))).toEqual(proofInvalid)
    })

    it('§4.3, checks 8 and 9: another method, and another URL', async () => {
      const { ask } = await start({}, { placement })
      const post = prove({ method: 'POST' })
      expect(await ask('/me', linesOf(tokens.bound, post))).toEqual(proofInvalid)
      expect(await ask('/me', linesOf(tokens.bound, post), 'POST')).toEqual(ok('posted'))
      for (const url of ['/you', '/ME', '/me/', '/me/.', '', '/'].map((path) => `${AUDIENCE}${path}`))
        expect([url, await ask('/me', linesOf(tokens.bound, prove({ url })))]).toEqual([url, proofInvalid])
      for (const url of [
        'http://api.example.com/me',
        'https://api.example.com:8443/me',
        'https://evil.example/me',
      ])
        expect([url, await ask('/me', linesOf(tokens.bound, prove({ url })))]).toEqual([url, proofInvalid])
    })

    it('§7.2: a bound token as Bearer, and an unbound one as DPoP', async () => {
      const { ask } = await start({}, { placement })
      const proof = prove()
      expect(await ask('/me', [`Authorization: Bearer ${tokens.bound}`, `DPoP: ${proof}`])).toEqual(
        failedAsBearer(401, 'invalid_token', ...BOUND),
      )
      const unbound = prove({ token: tokens.unbound })
      expect(await ask('/me', linesOf(tokens.unbound, unbound))).toEqual(
        failedAsDpop(401, 'invalid_token', ...NOT_BOUND),
      )
      // Neither has used a proof.
      expect(await ask('/me', linesOf(tokens.bound, proof))).toEqual(me())
    })

    it('mode: optional and required', async () => {
      const both = await start({}, { placement })
      const bearer = [`Authorization: Bearer ${tokens.unbound}`]
      expect(await both.ask('/me', bearer)).toEqual(ok({ subject: 'user-1', same: true }))
      expect(await both.ask('/me')).toEqual(missing)
      const only = await start({ mode: 'required' }, { placement })
      expect(await only.ask('/me', bearer)).toEqual(failedAsDpop(401, 'invalid_token', ...NOT_BOUND))
      expect(await only.ask('/me')).toEqual(missingWhereRequired)
      expect(await only.ask('/me', linesOf(tokens.bound, prove()))).toEqual(me())
    })

    it('§9: a nonce is demanded, handed out, and accepted', async () => {
      const { ask } = await start({ nonce: { secrets: SECRETS } }, { placement })
      const first = await ask('/me', linesOf(tokens.bound, prove()))
      const { nonce } = first
      expect(nonce).toMatch(/^[\w-]+$/)
      const description = 'The DPoP proof must have the nonce that this answer names'
      const demanded = {
        ...failedAsDpop(401, 'use_dpop_nonce', 'ERR_DPOP_NONCE_REQUIRED', description),
        nonce,
      }
      expect(first).toEqual(demanded)
      expect(await ask('/me', linesOf(tokens.bound, prove({ nonce: 'another' })))).toEqual(demanded)
      expect(await ask('/me', linesOf(tokens.bound, prove({ nonce })))).toEqual(me())
    })

    it('O6, §8.2: with an adapter, a success and a refusal after it hand out the next nonce, where one is due', async () => {
      const old = await start({ nonce: { secrets: OLD_SECRETS } }, { placement })
      const outgoing = (await old.ask('/me', linesOf(tokens.bound, prove()))).nonce
      const { ask } = await start({ nonce: { secrets: [...SECRETS, ...OLD_SECRETS] } }, { placement })
      const { nonce } = await ask('/me', linesOf(tokens.bound, prove()))
      expect(nonce).not.toBe(outgoing)
      const answer = await ask('/me', linesOf(tokens.bound, prove({ nonce: outgoing })))
      // Without an adapter, the application writes the answer.
      const next = name === 'core' ? undefined : nonce
      expect(answer).toEqual({ ...me(), nonce: next })
      const url = `${AUDIENCE}/read`
      const lacking = await ask('/read', linesOf(tokens.bound, prove({ nonce: outgoing, url })))
      expect([lacking.status, lacking.nonce]).toEqual([403, next])
      expect(await ask('/me', linesOf(tokens.bound, prove({ nonce })))).toEqual(me())
    })

    it('guards: a bound token is demanded, and scopes', async () => {
      const { ask } = await start({}, { placement })
      const at = (path: string, token: string) => linesOf(token, prove({ token, url: AUDIENCE + path }))
      expect(await ask('/constrained', at('/constrained', tokens.bound))).toEqual(ok('constrained'))
      expect(await ask('/constrained', [`Authorization: Bearer ${tokens.unbound}`])).toEqual(
        failedAsBearer(401, 'invalid_token', ...NOT_BOUND),
      )
      expect(await ask('/read', at('/read', tokens.reader))).toEqual(ok('read'))
      // Two guards in one route need one proof.
      expect(await ask('/both', at('/both', tokens.reader))).toEqual(ok('both'))
      expect(await ask('/both', at('/both', tokens.bound))).toEqual(
        failedAsDpop(403, 'insufficient_scope', ...SCOPE, ', scope="read"'),
      )
      expect(await ask('/read', at('/read', tokens.bound))).toEqual(
        failedAsDpop(403, 'insufficient_scope', ...SCOPE, ', scope="read"'),
      )
      expect(await ask('/read', [`Authorization: Bearer ${tokens.unbound}`])).toEqual(
        failedAsBearer(403, 'insufficient_scope', ...SCOPE, ', scope="read"'),
      )
      expect(await ask('/read', [`Authorization: Bearer ${tokens.unboundReader}`])).toEqual(ok('read'))
    })

    it('a replay store that is full, or fails: 503 without a challenge', async () => {
      const full = new MemoryReplayStore({ now: () => NOW, monotonic: () => 0, random: () => 0 }, 0)
      const down: ReplayStore = { add: () => Promise.reject(new Error('connection lost')) }
      for (const replayStore of [full, down]) {
        const { ask } = await start({ replayStore }, { placement })
        const description = 'Whether the DPoP proof was used before cannot be decided'
        expect(await ask('/me', linesOf(tokens.bound, prove()))).toEqual({
          ...ok({
            error: 'temporarily_unavailable',
            error_description: description,
            code: 'ERR_REPLAY_STORE_UNAVAILABLE',
          }),
          status: 503,
          retryAfter: '5',
        })
        // Tokens without a proof do not need it.
        expect((await ask('/me', [`Authorization: Bearer ${tokens.unbound}`])).status).toBe(200)
      }
    })

    it("errors: 'throw': the error handler has the challenge and the nonce", async () => {
      const { ask } = await start({ nonce: { secrets: SECRETS } }, { placement, errors: 'handled' })
      const thrown = { status: 401, statusCode: 401, expose: true }
      const answer = await ask('/me', linesOf(tokens.bound, prove()))
      expect(answer).toEqual({
        ...ok({ mine: 'ERR_DPOP_NONCE_REQUIRED', ...thrown }),
        status: 401,
        challenge: dpopChallenge(
          ', error="use_dpop_nonce", error_description="The DPoP proof must have the nonce that this answer names"',
        ),
        nonce: expect.stringMatching(/^[\w-]+$/),
      })
      const lines = linesOf(tokens.bound, prove({ nonce: answer.nonce }))
      expect(await ask('/me', lines)).toEqual(me())
      expect(await ask('/me', lines)).toEqual({
        ...proofReplayed,
        body: JSON.stringify({ mine: 'ERR_DPOP_PROOF_REPLAYED', ...thrown }),
      })
    })
  })

  it('two header lines on a raw connection are two proofs, in any case', async () => {
    const { port } = await start()
    const [first, second] = [prove(), prove()]
    const socket = connect(port, '127.0.0.1')
    socket.end(
      [
        'GET /me HTTP/1.1',
        'Host: 127.0.0.1',
        `authorization: dPoP ${tokens.bound}`,
        `dpop: ${first}`,
        `DPOP: ${second}`,
        'Connection: close',
        '\r\n',
      ].join('\r\n'),
    )
    const answer = await text(socket)
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
    expect(answer).toContain('{"error":"invalid_dpop_proof"')
    expect(answer).toContain('"code":"ERR_DPOP_PROOF_INVALID"}')
  })

  it('§4.3, check 9: the path as the client wrote it, below a router too', async () => {
    for (const prefix of [undefined, '/v1/api']) {
      const base = prefix ?? ''
      const { ask } = await start({}, { ...(prefix !== undefined && { prefix }) })
      const asked: readonly [path: string, htu: string][] = [
        ['/me', '/me'],
        ['/me?page=1', '/me'],
        ['/me?page=1', '/me?page=2#top'],
        ['/me?next=/you', '/me'],
        ['/list/', '/list/'],
        ['/list/?', '/list/'],
        ['/files/a%20b', '/files/a%20b'],
        ['/files/%7Euser', '/files/~user'],
        ['/files/~user', '/files/%7euser'],
        ['/files/%c3%a4', '/files/%C3%A4'],
        ['/files/a%2Fb', '/files/a%2fb'],
        ["/files/a'b(c)!", "/files/a'b(c)!"],
        ['/files/a:b@c;d=1,2', '/files/a:b@c;d=1,2'],
      ]
      for (const [path, htu] of asked) {
        const lines = linesOf(tokens.bound, prove({ url: AUDIENCE + base + htu }))
        const { status, body } = await ask(base + path, lines)
        expect([prefix, path, htu, status, body]).toEqual([prefix, path, htu, 200, expect.any(String)])
      }
      const others: readonly [path: string, htu: string][] = [
        ['/list/', '/list'],
        ['/me', '/me%20'],
        ['/files/a%2Fb', '/files/a/b'],
        ['/files/a%252Fb', '/files/a%2Fb'],
        ['/files/%C3%A4', '/files/a'],
        ['/files/a%20b', '/files/a+b'],
      ]
      for (const [path, htu] of others) {
        const lines = linesOf(tokens.bound, prove({ url: AUDIENCE + base + htu }))
        expect([prefix, path, htu, await ask(base + path, lines)]).toEqual([prefix, path, htu, proofInvalid])
      }
      // The path that the router of the framework sees is not the one that the client asked for.
      if (prefix !== undefined)
        expect(await ask(`${prefix}/me`, linesOf(tokens.bound, prove()))).toEqual(proofInvalid)
    }
  })

  it('Host and forwarded headers say nothing about the URL', async () => {
    const { ask } = await start()
    const forwarded = [
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Prefix: /evil',
      'X-Original-URL: /evil',
      'Forwarded: host=evil.example;proto=http',
    ]
    expect(await ask('/me', [...linesOf(tokens.bound, prove()), ...forwarded])).toEqual(me())
    for (const url of [
      'http://127.0.0.1/me',
      'https://127.0.0.1/me',
      'https://evil.example/me',
      'http://evil.example/me',
    ])
      expect(await ask('/me', [...linesOf(tokens.bound, prove({ url })), ...forwarded])).toEqual(proofInvalid)
    // RFC 9112 §3.2.2: of a whole URL in the request line, the path counts.
    if (!harness.isBare)
      expect(await ask('http://127.0.0.1/me?a', linesOf(tokens.bound, prove()))).toEqual(me())
  })

  it('baseUrl: behind a proxy that removes a part of the path', async () => {
    const { ask } = await start({}, { options: { baseUrl: 'https://gateway.example.com/v1/' } })
    const ending = (url: string) => linesOf(tokens.bound, prove({ url }))
    expect(await ask('/me?a=1', ending('https://gateway.example.com/v1/me'))).toEqual(me())
    expect(await ask('/me', ending('HTTPS://GATEWAY.example.com:443/v1/me?x#y'))).toEqual(me())
    for (const url of [
      'https://gateway.example.com/me',
      'https://gateway.example.com/v2/me',
      `${AUDIENCE}/v1/me`,
    ])
      expect(await ask('/me', ending(url))).toEqual(proofInvalid)
  })

  it('baseUrl: the root of the API is its URL, with and without a slash', async () => {
    const { ask } = await start({}, { options: { baseUrl: 'https://gateway.example.com/v1' } })
    const ending = (url: string) => linesOf(tokens.bound, prove({ url }))
    for (const url of ['https://gateway.example.com/v1', 'https://gateway.example.com/v1/'])
      expect([url, await ask('/', ending(url))]).toEqual([url, ok('root')])
    expect(await ask('/?page=1', ending('https://gateway.example.com/v1'))).toEqual(ok('root'))
    for (const url of [
      'https://gateway.example.com',
      'https://gateway.example.com/v',
      'https://gateway.example.com/v1//',
    ])
      expect([url, await ask('/', ending(url))]).toEqual([url, proofInvalid])
    expect(await ask('/list/', ending('https://gateway.example.com/v1/list'))).toEqual(proofInvalid)
  })

  it('optional: true lets a caller without a token pass, but none with a bad proof', async () => {
    const { ask } = await start({}, { optional: true })
    expect(await ask('/whoami')).toEqual(ok({ anonymous: true }))
    // A proof alone is no credential.
    const proof = prove({ url: `${AUDIENCE}/whoami` })
    expect(await ask('/whoami', [`DPoP: ${proof}`])).toEqual(ok({ anonymous: true }))
    expect(await ask('/whoami', linesOf(tokens.bound, proof))).toEqual(ok({ anonymous: false }))
    expect(await ask('/whoami', linesOf(tokens.bound, proof))).toEqual(proofReplayed)
    expect(await ask('/whoami', linesOf(tokens.bound))).toEqual(proofMissing)
    expect(await ask('/constrained')).toEqual(missing)
  })

  it('a credential that cannot be read: the challenge is that of its scheme', async () => {
    const { ask } = await start({}, { options: { maxTokenBytes: 1000 } })
    const malformed = 'The Authorization header is not a well-formed Bearer credential'
    const repeated = 'The request carries more than one credential'
    const large = 'The access token is too large'
    const answers = [
      ['a b', 400, 'invalid_request', 'ERR_REQUEST_MALFORMED', malformed],
      ['', 400, 'invalid_request', 'ERR_REQUEST_MALFORMED', malformed],
      ['abc, Bearer abc', 400, 'invalid_request', 'ERR_TOKEN_REPEATED', repeated],
      ['a'.repeat(1001), 401, 'invalid_token', 'ERR_TOKEN_TOO_LARGE', large],
    ] as const
    for (const [credential, status, error, code, description] of answers) {
      const { challenge, ...rest } = await ask('/me', [`Authorization: DPoP ${credential}`])
      expect(challenge).toMatch(`DPoP realm="api", error="${error}", error_description="${description}"`)
      expect(challenge).not.toContain('Bearer realm')
      expect(rest).toEqual({
        ...ok({ error, error_description: description, code }),
        status,
        challenge: undefined,
      })
    }
  })

  it('another key than that of the token', async () => {
    const { ask } = await start()
    const proof = prove({ token: tokens.other })
    expect(await ask('/me', linesOf(tokens.other, proof))).toEqual(
      failedAsDpop(
        401,
        'invalid_token',
        'ERR_BINDING_MISMATCH',
        'The access token is bound to another key or certificate',
      ),
    )
  })

  // A platform without middleware authenticates once.
  if (name !== 'core')
    it('two telnyxAuth() in one request: one proof is enough', async () => {
      const shared = createVerifier(optionsOf())
      const one = await start({}, { verifier: shared, second: shared })
      const replayed = linesOf(tokens.bound, prove())
      expect(await one.ask('/me', replayed)).toEqual(me())
      expect(await one.ask('/me', replayed)).toEqual(proofReplayed)

      const used = new Set<string>()
      const replayStore = { add: async (each: string) => used.size < used.add(each).size }
      const second = createVerifier(optionsOf({ replayStore }))
      const two = await start({ replayStore }, { second })
      const lines = linesOf(tokens.bound, prove())
      expect(await two.ask('/me', lines)).toEqual(me())
      expect(await two.ask('/me', lines)).toEqual(proofReplayed)
      expect(used.size).toBe(1)
    })
})

describe('the URL that the client asked for', () => {
  const options = () =>
    ({
      audience: AUDIENCE,
      fetch: issuer.fetch,
      dpop: { mode: 'required', algorithms: ['ES256'] },
    }) satisfies VerifierOptions
  const linesFor = (path: string, token = tokens.bound) =>
    linesOf(token, prove({ url: AUDIENCE + path, token }))

  it('Fastify: rewriteUrl changes what is routed', async () => {
    const app = fastify({ rewriteUrl: ({ url = '' }) => url.replace(/^\/public/, '/v1') })
    await app.register(telnyxAuthOfFastify, options())
    app.get('/v1/me', async () => 'me')
    await app.ready()
    const { client } = await serve((request, response) => app.routing(request, response))
    expect((await client.request('GET', '/public/me?a', linesFor('/public/me'))).status).toBe(200)
    expect((await client.request('GET', '/public/me?a', linesFor('/v1/me'))).status).toBe(401)
  })

  it('Fastify: HTTP/2, and two headers', async () => {
    const app = fastify({ http2: true })
    await app.register(telnyxAuthOfFastify, options())
    app.get('/me', async () => 'me')
    onTestFinished(() => app.close())
    const session = connectHttp2(await app.listen({ port: 0, host: '127.0.0.1' }))
    onTestFinished(() => session.destroy())
    const ask = async (dpop: string | string[]) => {
      const stream = session.request({ ':path': '/me?a', authorization: `DPoP ${tokens.bound}`, dpop })
      const [headers] = await once(stream, 'response')
      stream.resume()
      return headers[':status']
    }
    expect(await ask(prove())).toBe(200)
    expect(await ask([prove(), prove()])).toBe(401)
  })

  it.each([
    ['Express 4', express4],
    ['Express 5', express5],
  ])('%s: an application in an application, below middleware that changes the URL', async (_, express) => {
    const app = express()
    app.set('env', 'test')
    const inner = express()
    inner.use((request, _response, next) => {
      request.url = '/changed'
      next()
    })
    inner.use(telnyxAuthOfExpress(options()))
    inner.use((_request, response) => void response.json('inner'))
    app.use('/v1/:tenant', express.Router().use('/inner', inner))
    const { client } = await serve(app)
    const path = '/v1/one/inner/me'
    expect((await client.request('GET', `${path}?a`, linesFor(path))).status).toBe(200)
    for (const other of ['/me', '/changed', '/v1/one/inner/changed', '/inner/me'])
      expect((await client.request('GET', path, linesFor(other))).status).toBe(401)
  })

  it('Koa: an application in an application, which removes the mount path from ctx.path', async () => {
    const app = new Koa()
    app.silent = true
    app.use(async (ctx, next) => {
      ctx.path = ctx.path.replace(/^\/v1/, '')
      await next()
    })
    app.use(telnyxAuthOfKoa(options()))
    app.use((ctx) => {
      ctx.body = ctx.path
    })
    const { client } = await serve(app.callback())
    const answer = await client.request('GET', '/v1/me?a', linesFor('/v1/me'))
    expect([answer.status, answer.body]).toEqual([200, '/me'])
    expect((await client.request('GET', '/v1/me', linesFor('/me'))).status).toBe(401)
  })

  it('Hono: mount() hands on a request without the mount path, so baseUrl has to name it', async () => {
    const create = (baseUrl: string) => {
      const inner = new Hono()
        .use(telnyxAuthOfHono({ ...options(), baseUrl }))
        .get('/me', (c) => c.json('me'))
      return new Hono().route('/v1', new Hono().mount('/inner', inner.fetch))
    }
    const ask = async (baseUrl: string, path: string) => {
      const headers = { authorization: `DPoP ${tokens.bound}`, dpop: linesFor(path)[1]?.slice(6) ?? '' }
      const response = await create(baseUrl).request('http://127.0.0.1/v1/inner/me?a', { headers })
      return response.status
    }
    expect(await ask(`${AUDIENCE}/v1/inner`, '/v1/inner/me')).toBe(200)
    expect(await ask(`${AUDIENCE}/v1/inner`, '/me')).toBe(401)
    expect(await ask(AUDIENCE, '/v1/inner/me')).toBe(401)
  })
})

describe('an application that goes on after a refusal', () => {
  const dpopHeader = () => ({ dpop: prove() })
  it.each<[string, Partial<DpopOptions>, 'bound' | 'expired', () => object, string]>([
    ['of the token', {}, 'expired', dpopHeader, 'ERR_TOKEN_EXPIRED'],
    ['of the proof', {}, 'bound', () => ({}), 'ERR_DPOP_PROOF_MISSING'],
    ['for want of a nonce', { nonce: { secrets: SECRETS } }, 'bound', dpopHeader, 'ERR_DPOP_NONCE_REQUIRED'],
  ])('a refusal %s is repeated as it was, by another error', async (_, dpop, token, proof, code) => {
    const options = { audience: AUDIENCE, fetch: issuer.fetch, errors: 'throw' }
    const { authenticate } = createAuthenticator({ ...options, dpop: { mode: 'optional', ...dpop } })
    const { requireAuth } = createGuards<Authorize>((authorize) => authorize)
    const handle = handleFor()
    const headers = { authorization: `DPoP ${tokens[token]}`, ...proof() }
    const request = { method: 'GET', url: '/me', headers }
    const first = await rejectionOf((async () => authenticate(handle, request))())
    const second = await rejectionOf((async () => requireAuth()(handle))())
    expect([first, second]).toMatchObject([{ code }, { code }])
    expect(second).not.toBe(first)
    expect(Reflect.get(Object(second), 'constructor')).toBe(Reflect.get(Object(first), 'constructor'))
    expect(Reflect.get(Object(second), 'headers')).toEqual(Reflect.get(Object(first), 'headers'))
    expect(Reflect.get(Object(second), 'headers')).toMatchObject({
      'WWW-Authenticate': expect.stringMatching(/^DPoP realm="api", error="/),
    })
  })
})
