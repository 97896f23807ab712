import { generateKeyPairSync } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { Client as McpClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { DpopOptions, VerifierOptions } from '@telnyx-auth/core'
import * as forExpress from '@telnyx-auth/express'
import * as forFastify from '@telnyx-auth/fastify'
import * as forKoa from '@telnyx-auth/koa'
import { createDpopProof, createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import fastify from 'fastify'
import { calculateJwkThumbprint, exportJWK } from 'jose'
import Koa from 'koa'
import {
  allowInsecureRequests,
  type CryptoKeyPair,
  DPoP,
  generateKeyPair,
  isDPoPNonceError,
  protectedResourceRequest,
  WWWAuthenticateChallengeError,
} from 'oauth4webapi'
import {
  allowInsecureRequests as allowInsecureRequestsOf,
  Configuration,
  fetchProtectedResource,
  getDPoPHandle,
  randomDPoPKeyPair,
} from 'openid-client'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Call, harnesses } from '../mcp/harness.js'
import { serve } from '../support/http.js'
import { AUDIENCE } from '../support/outcome.js'

/** `oauth4webapi` and `openid-client`, unmodified, call APIs with proofs of possession (RFC 9449). */

const SECRETS = ['a secret of at least thirty-two characters'] as const

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})

async function thumbprintOf({ publicKey }: CryptoKeyPair): Promise<string> {
  return calculateJwkThumbprint(await exportJWK(publicKey))
}

async function tokenFor(keys: CryptoKeyPair, scopes: string[] = ['read']): Promise<string> {
  const jkt = await thumbprintOf(keys)
  return issuer.issueToken({ subject: 'user-1', scopes, claims: { cnf: { jkt } } })
}

/** An API with one route, `/v1/messages`, that tells who calls. */
type CreateApi = (options: VerifierOptions) => Promise<RequestListener>

const apis: Readonly<Record<string, CreateApi>> = {
  async Express(options) {
    const app = express()
    app.set('env', 'test')
    const router = express.Router()
    router.use(forExpress.telnyxAuth(options))
    router.all('/messages', forExpress.requireScopes('read'), (request, response) => {
      response.json(forExpress.getAuth(request).confirmation)
    })
    app.use('/v1', router)
    return app
  },
  async Koa(options) {
    const app = new Koa()
    app.silent = true
    app.use(forKoa.telnyxAuth(options))
    app.use(forKoa.requireScopes('read'))
    app.use((ctx) => {
      if (ctx.path === '/v1/messages') ctx.body = forKoa.getAuth(ctx).confirmation
    })
    return app.callback()
  },
  async Fastify(options) {
    const app = fastify()
    await app.register(
      async (scope) => {
        await scope.register(forFastify.telnyxAuth, options)
        scope.all(
          '/messages',
          { onRequest: forFastify.requireScopes('read') },
          async (request) => forFastify.getAuth(request).confirmation,
        )
      },
      { prefix: '/v1' },
    )
    await app.ready()
    return (request, response) => app.routing(request, response)
  },
}

/** Sends a request with a proof. */
type Send = (token: string, method: string, url: URL) => Promise<Response>

interface Client {
  readonly keys: CryptoKeyPair
  readonly call: Send
}

/** Each has a key of its own. */
const clients: Readonly<Record<string, (algorithm: string) => Promise<Client>>> = {
  async oauth4webapi(algorithm) {
    const keys = await generateKeyPair(algorithm)
    const handle = DPoP({}, keys)
    const call: Send = (token, method, url) =>
      protectedResourceRequest(token, method, url, undefined, undefined, {
        DPoP: handle,
        [allowInsecureRequests]: true,
      })
    return {
      keys,
      // It remembers the nonce, and says that its caller is to repeat the request.
      call: (...request) =>
        call(...request).catch((error: unknown) => {
          if (!isDPoPNonceError(error)) throw error
          return call(...request)
        }),
    }
  },
  async 'openid-client'(algorithm) {
    const keys = await randomDPoPKeyPair(algorithm)
    const config = new Configuration({ issuer: 'https://api.telnyx.com' }, 'app')
    allowInsecureRequestsOf(config)
    const handle = getDPoPHandle(config, keys)
    return {
      keys,
      call: (token, method, url) =>
        fetchProtectedResource(config, token, url, method, undefined, undefined, { DPoP: handle }),
    }
  },
}

/** What the API answers, also where the client throws: the challenges as the client has read them. */
async function outcomeOf(call: Promise<Response>): Promise<object> {
  try {
    const response = await call
    return { status: response.status, body: await response.json() }
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Response ? undefined : error
    if (!(cause instanceof WWWAuthenticateChallengeError)) throw error
    const challenges = cause.cause.map(({ scheme, parameters }) => [scheme, parameters.error])
    return { status: cause.status, challenges }
  }
}

/** One for each generation of the SDK. */
const mcpHarnesses = harnesses.filter(([name]) => /^(Express 5, SDK v1|Fastify, SDK v2)$/.test(name))

const pairs = Object.keys(apis).flatMap((api) => Object.keys(clients).map((client) => [api, client] as const))

describe.each(pairs)('%s, called by %s', (apiName, clientName) => {
  const start = async (dpop: Partial<DpopOptions>, algorithm = 'ES256') => {
    let answer: RequestListener = () => undefined
    let requests = 0
    const { url } = await serve((request, response) => {
      requests++
      answer(request, response)
    })
    const options: VerifierOptions = {
      audience: AUDIENCE,
      fetch: issuer.fetch,
      baseUrl: url,
      dpop: { mode: 'required', ...dpop },
    }
    const create = apis[apiName]
    const client = await clients[clientName]?.(algorithm)
    if (!create || !client) throw new Error('There is no such API or client')
    answer = await create(options)
    const jkt = await thumbprintOf(client.keys)
    return {
      jkt,
      keys: client.keys,
      ask: async (token: string, method = 'GET', path = '/v1/messages') => {
        requests = 0
        const outcome = await outcomeOf(client.call(token, method, new URL(path, url)))
        return { ...outcome, requests }
      },
    }
  }

  it.each(['ES256', 'Ed25519', 'PS256'])('a key for %s, with any method and a query', async (algorithm) => {
    const { ask, keys, jkt } = await start({}, algorithm)
    const token = await tokenFor(keys)
    const good = { status: 200, body: { jkt }, requests: 1 }
    expect(await ask(token)).toEqual(good)
    expect(await ask(token, 'POST')).toEqual(good)
    expect(await ask(token, 'DELETE', '/v1/messages?page=1&q=a%20b')).toEqual(good)
  })

  it('nonces: the client repeats the first request by itself, and knows the nonce from then on', async () => {
    const { ask, keys, jkt } = await start({ nonce: { secrets: SECRETS } })
    const token = await tokenFor(keys)
    expect(await ask(token)).toEqual({ status: 200, body: { jkt }, requests: 2 })
    expect(await ask(token)).toEqual({ status: 200, body: { jkt }, requests: 1 })
  })

  it('the client reads why a token is refused', async () => {
    const { ask, keys } = await start({ mode: 'optional' })
    const stolen = await tokenFor(await generateKeyPair('ES256'))
    expect(await ask(stolen)).toEqual({
      status: 401,
      challenges: [['dpop', 'invalid_token']],
      requests: 1,
    })
    expect(await ask(await tokenFor(keys, []))).toEqual({
      status: 403,
      challenges: [['dpop', 'insufficient_scope']],
      requests: 1,
    })
  })
})

describe('the MCP client of 2026, which has no DPoP of its own', () => {
  it.each(mcpHarnesses)('calls tools of %s with a fetch that adds proofs', async (_, harness) => {
    let answer: RequestListener = () => undefined
    const { url } = await serve((request, response) => answer(request, response))
    const endpoint = new URL('/mcp', url)
    const calls: Call[] = []
    answer = await harness.build({
      calls,
      options: {
        fetch: issuer.fetch,
        audience: endpoint.href,
        protectedResource: { resource: endpoint.href },
        toolScopes: { send_message: ['write'] },
        dpop: { mode: 'required', nonce: { secrets: SECRETS } },
      },
    })
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const token = await issuer.issueToken({ audience: endpoint.href, scopes: ['read'], dpopKey: key })
    let nonce: string | undefined
    const send = async (init: RequestInit | undefined) => {
      const headers = new Headers(init?.headers)
      headers.set('Authorization', `DPoP ${token}`)
      const method = init?.method ?? 'GET'
      headers.set('DPoP', await createDpopProof({ key, method, url: endpoint, token, nonce }))
      return fetch(endpoint, { ...init, headers })
    }
    const client = new McpClient({ name: 'agent', version: '1.0.0' })
    onTestFinished(() => client.close())
    const transport = new StreamableHTTPClientTransport(endpoint, {
      async fetch(_input, init) {
        const response = await send(init)
        nonce = response.headers.get('DPoP-Nonce') ?? nonce
        return response.status === 401 ? send(init) : response
      },
    })
    await client.connect(transport)
    await client.callTool({ name: 'read_messages', arguments: {} })
    expect(calls.map(({ tool, authInfo }) => [tool, authInfo?.token])).toEqual([['read_messages', token]])
    await expect(client.callTool({ name: 'send_message', arguments: {} })).rejects.toThrow()
    expect(calls).toHaveLength(1)
  })
})
