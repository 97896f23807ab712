import { createVerifier, type VerifierOptions, watch } from '@telnyx-auth/core'
import * as express from '@telnyx-auth/express'
import * as fastifyAdapter from '@telnyx-auth/fastify'
import * as hono from '@telnyx-auth/hono'
import * as koa from '@telnyx-auth/koa'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express5, { type RequestHandler } from 'express'
import fastify from 'fastify'
import { Context } from 'hono'
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { serve } from '../support/http.js'
import { AUDIENCE, errorOf, thrownBy } from '../support/outcome.js'

beforeEach(forgetWarnings)

/** The likeliest mistakes of people who use this library: what the operator is told leads to the repair. */

const NOW = Date.now() / 1000
const issuer = await createMockIssuer({ algorithm: 'ES256' })
const reach = { audience: AUDIENCE, fetch: issuer.fetch }

/** What an operator is told: the code, the reason where there is one, and the words. */
interface Told {
  readonly code: string
  readonly reason?: string | undefined
  readonly words: string
}

/** Of a refused request: by the event, as in the log. */
async function refusal(
  headers: Record<string, string>,
  options: VerifierOptions = reach,
  method = 'GET',
): Promise<Told> {
  const told: Told[] = []
  onTestFinished(
    watch('tokenRejected', ({ code, reason, hint = '' }) => told.push({ code, reason, words: hint })),
  )
  await errorOf(createVerifier(options).authenticate({ headers, method, url: '/' }))
  const [event, ...others] = told
  expect(others).toEqual([])
  return event ?? expect.fail('No event')
}

const presenting = (token: string, options?: VerifierOptions) =>
  refusal({ authorization: `Bearer ${token}` }, options)

/** Of a program that does not start. */
function start(make: () => unknown): Told {
  const error = thrownBy(make)
  return { code: Reflect.get(error, 'code'), words: error.message }
}

/** Of what only a person can repair: by the process warning. */
async function warning(attempt: Promise<unknown>): Promise<Told> {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const { code } = await errorOf(attempt)
  const [words, options] = warnings.mock.calls[0] ?? expect.fail('No warning')
  expect(options).toMatchObject({ type: 'TelnyxAuthWarning', code })
  return { code, words: String(words) }
}

/** Of an application of Express that answers with an error. */
async function application(...middlewares: readonly unknown[]): Promise<Told> {
  const app = express5()
  for (const middleware of middlewares) app.use(middleware as RequestHandler)
  const errors: unknown[] = []
  app.use(((error, _req, res, _next) => {
    errors.push(error)
    res.status(error.status).end()
  }) satisfies express5.ErrorRequestHandler)
  const { port } = await serve(app)
  const headers = { authorization: `Bearer ${await issuer.issueToken({ audience: AUDIENCE })}` }
  expect((await fetch(`http://127.0.0.1:${port}`, { headers })).status).toBe(500)
  const [error] = errors
  return start(() => {
    throw error
  })
}

async function elsewhere(document: object | number): Promise<VerifierOptions> {
  const fetch = async () =>
    typeof document === 'number' ? new Response(null, { status: document }) : Response.json(document)
  return { issuer: `https://issuer-${Math.random()}.example`, audience: AUDIENCE, fetch }
}

const good = { audience: AUDIENCE }

const MISTAKES: Record<string, readonly [() => Told | Promise<Told>, Partial<Told>, RegExp]> = {
  'no audience': [
    () => {
      vi.stubEnv('TELNYX_AUTH_AUDIENCE', undefined)
      return start(() => createVerifier())
    },
    { code: 'ERR_CONFIGURATION' },
    /"audience".*TELNYX_AUTH_AUDIENCE.*null/,
  ],
  'the audience is one slash off': [
    async () => presenting(await issuer.issueToken({ audience: `${AUDIENCE}/` })),
    { code: 'ERR_AUDIENCE_NOT_ALLOWED', reason: 'audience-slash' },
    /differ by a slash at the end/,
  ],
  'the audience has quotes in the environment': [
    () => {
      vi.stubEnv('TELNYX_AUTH_AUDIENCE', `"${AUDIENCE}"`)
      return start(() => createVerifier())
    },
    { code: 'ERR_CONFIGURATION' },
    /TELNYX_AUTH_AUDIENCE has quotes.*remove them/,
  ],
  'the audience is JSON in the environment': [
    () => {
      vi.stubEnv('TELNYX_AUTH_AUDIENCE', `["${AUDIENCE}"]`)
      return start(() => createVerifier())
    },
    { code: 'ERR_CONFIGURATION' },
    /list with commas.*not JSON/,
  ],
  'the audience is a list with commas in the option': [
    () => start(() => createVerifier({ audience: `${AUDIENCE},https://other.example` })),
    { code: 'ERR_CONFIGURATION' },
    /give an array/,
  ],
  'the issuer has a slash too many': [
    async () => {
      const options = await elsewhere({ issuer: '' })
      const fetch = async () => Response.json({ issuer: options.issuer, jwks_uri: `${options.issuer}/jwks` })
      const { issuer: name } = options
      return warning(createVerifier({ ...options, issuer: `${name}/`, fetch }).preload())
    },
    { code: 'ERR_DISCOVERY_FAILED' },
    /differ by a slash at the end.*TELNYX_AUTH_ISSUER/,
  ],
  'an http issuer': [
    () => start(() => createVerifier({ audience: AUDIENCE, issuer: 'http://api.telnyx.com' })),
    { code: 'ERR_CONFIGURATION' },
    /"issuer" must be an https URL/,
  ],
  'an issuer without discovery': [
    async () => warning(createVerifier(await elsewhere(404)).preload()),
    { code: 'ERR_DISCOVERY_FAILED' },
    /404.*"issuer".*"jwksUri"/,
  ],
  'a Telnyx API key as Bearer': [
    () => presenting('KEY0123456789ABCDEF_abcdefghij'),
    { code: 'ERR_TOKEN_MALFORMED', reason: 'api-key' },
    /API key, not an access token/,
  ],
  'an opaque token without introspection': [
    () => presenting('b3BhcXVlLXRva2Vu'),
    { code: 'ERR_TOKEN_MALFORMED', reason: 'not-three-parts' },
    /"introspection"/,
  ],
  'a raw token without Bearer': [
    async () => refusal({ authorization: await issuer.issueToken(good) }),
    { code: 'ERR_TOKEN_MISSING', reason: 'scheme-missing' },
    /"Authorization: Bearer <token>"/,
  ],
  'an ID token': [
    async () =>
      presenting(
        await issuer.issueToken({ audience: 'client-1', claims: { nonce: 'n' }, header: { typ: 'JWT' } }),
      ),
    { code: 'ERR_AUDIENCE_NOT_ALLOWED', reason: 'audience-client-id' },
    /ID token.*access token instead/,
  ],
  'a refresh token': [
    async () => presenting(await issuer.issueToken({ ...good, header: { typ: 'rt+jwt' } })),
    { code: 'ERR_TYP_INVALID', reason: 'typ-not-access-token' },
    /not an ID, refresh or logout token/,
  ],
  'Authorization was stripped by a proxy': [
    () => refusal({ host: 'api', 'x-forwarded-for': '192.0.2.1' }),
    { code: 'ERR_TOKEN_MISSING', reason: 'authorization-stripped' },
    /proxy/,
  ],
  'a clock that is minutes ahead': [
    async () => presenting(await issuer.issueToken({ ...good, claims: { exp: NOW - 120 } })),
    { code: 'ERR_TOKEN_EXPIRED', reason: 'expired-just-now' },
    /compare the clocks.*"clockToleranceSeconds"/,
  ],
  'a clock that is minutes behind': [
    async () => presenting(await issuer.issueToken({ ...good, claims: { iat: NOW + 120 } })),
    { code: 'ERR_TOKEN_NOT_YET_VALID', reason: 'clock-behind' },
    /clock is probably behind/,
  ],
  "requireScopes('a,b')": [
    () => start(() => express.requireScopes('a,b')),
    { code: 'ERR_CONFIGURATION' },
    /requireScopes\('a', 'b'\)/,
  ],
  "requireScopes('a b')": [
    () => start(() => koa.requireScopes('a b')),
    { code: 'ERR_CONFIGURATION' },
    /requireScopes\('a', 'b'\)/,
  ],
  "requireScopes(['a'])": [
    () => start(() => Reflect.apply(fastifyAdapter.requireScopes, undefined, [['a']])),
    { code: 'ERR_CONFIGURATION' },
    /not an array: requireScopes\('a', 'b'\)/,
  ],
  'app.use(telnyxAuth), not called': [
    () => application(express.telnyxAuth),
    { code: 'ERR_CONFIGURATION' },
    /app\.use\(telnyxAuth\(\)\)/,
  ],
  'app.use(telnyxAuth) in Hono, not called': [
    () => start(() => Reflect.apply(hono.telnyxAuth, undefined, [new Context(new Request(AUDIENCE))])),
    { code: 'ERR_CONFIGURATION' },
    /app\.use\(telnyxAuth\(\)\)/,
  ],
  'a guard of Hono in Express': [
    () => application(express.telnyxAuth(reach), hono.requireScopes('a')),
    { code: 'ERR_CONFIGURATION' },
    /called by another framework/,
  ],
  'requireScopes without telnyxAuth': [
    () => application(express.requireScopes('a')),
    { code: 'ERR_CONFIGURATION' },
    /telnyxAuth\(\)/,
  ],
  'requireScopes before telnyxAuth': [
    () => application(express.requireScopes('a'), express.telnyxAuth(reach)),
    { code: 'ERR_CONFIGURATION' },
    /telnyxAuth\(\)/,
  ],
  "another framework's getAuth": [
    () =>
      application(express.telnyxAuth(reach), (request: never) => {
        koa.getAuth(request)
      }),
    { code: 'ERR_CONFIGURATION' },
    /package for the framework/,
  ],
  'a CORS preflight is refused': [
    () =>
      refusal({ origin: 'https://app.example', 'access-control-request-method': 'GET' }, reach, 'OPTIONS'),
    { code: 'ERR_TOKEN_MISSING', reason: 'preflight' },
    /CORS middleware before telnyxAuth/,
  ],
  'introspection credentials that are refused': [
    () => {
      const introspection = { when: 'opaque', clientId: 'unknown', clientSecret: 'wrong' } as const
      return warning(createVerifier({ ...reach, introspection }).verify('b3BhcXVl'))
    },
    { code: 'ERR_INTROSPECTION_UNAVAILABLE' },
    /"clientId" and "clientSecret" \(TELNYX_CLIENT_ID, TELNYX_CLIENT_SECRET\)/,
  ],
  "another environment's issuer": [
    async () =>
      presenting(await issuer.issueToken({ ...good, claims: { iss: 'https://staging.example.com' } })),
    { code: 'ERR_ISSUER_NOT_ALLOWED', reason: 'issuer-unknown' },
    /environments.*TELNYX_AUTH_ISSUER/,
  ],
  'a wrong hook of Fastify': [
    async () => {
      const app = fastify()
      onTestFinished(() => app.close())
      await app.register(fastifyAdapter.telnyxAuth, reach)
      return start(() =>
        app.route({
          method: 'GET',
          url: '/',
          onResponse: fastifyAdapter.requireAuth() as never,
          handler: async () => 'here',
        }),
      )
    },
    { code: 'ERR_CONFIGURATION' },
    /onRequest/,
  ],
  'two copies of core': [
    async () => {
      vi.resetModules()
      const second = await import('@telnyx-auth/express')
      return start(() => second.telnyxAuth({ verifier: createVerifier(reach) }))
    },
    { code: 'ERR_CONFIGURATION' },
    /another copy of @telnyx-auth\/core.*npm ls/,
  ],
}

it.each(Object.entries(MISTAKES))('%s', async (_, [provoke, expected, repair]) => {
  const told = await provoke()
  expect(told).toMatchObject(expected)
  expect(told.words).toMatch(repair)
  expect(told.words).not.toMatch(/eyJ|KEY0123|wrong/)
})
