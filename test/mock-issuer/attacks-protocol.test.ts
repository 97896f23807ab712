import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import { decodeJwt } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  introspect,
  manage,
  obtainCode,
  registerClient,
  requestToken,
} from '../support/authorization-flow.js'
import { expectNothingUnhandled, settle, until } from '../support/event-loop.js'
import { createSignal, serve } from '../support/http.js'
import { causeCode, postJson, readObject, rejectionOf, textOf } from '../support/oauth-requests.js'
import { scale } from '../support/scale.js'

const CLIENT = { clientId: 'app', clientSecret: 's3cret' }
const CREDENTIALS = { client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret }
const CLIENT_CREDENTIALS = { grant_type: 'client_credentials', ...CREDENTIALS }
const REDIRECT_URI = 'http://127.0.0.1/callback'
const AUTHORIZATION = { response_type: 'code', client_id: CLIENT.clientId, redirect_uri: REDIRECT_URI }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const JWKS = '/v2/oauth/jwks'

expectNothingUnhandled()

const opened: MockIssuer[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((issuer) => issuer.close()))
})

async function open(options: MockIssuerOptions = {}): Promise<MockIssuer> {
  const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [CLIENT], ...options })
  opened.push(issuer)
  return issuer
}

/** Sends bytes, and returns all that the server sends until the connection ends. */
function exchangeBytes(base: string, bytes: string): Promise<string> {
  const { port, hostname } = new URL(base)
  const socket = connect(Number(port), hostname)
  socket.write(bytes, 'latin1')
  return text(socket)
}

function statuses(answer: string): string[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)
}

/** A request to the token endpoint with a streamed body. */
function stream(issuer: MockIssuer, body: ReadableStream, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', headers: FORM, body, duplex: 'half' }
  return issuer.fetch(`${issuer.issuer}/v2/oauth/token`, { ...init, ...(signal && { signal }) })
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The same signature, spelled with other spare bits of base64url. */
function withOtherSpareBits(token: string): string {
  const bytes = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')
  const spellings = [...ALPHABET].map((character) => token.slice(0, -1) + character)
  const other = spellings.find(
    (each) => each !== token && Buffer.from(each.slice(each.lastIndexOf('.') + 1), 'base64url').equals(bytes),
  )
  if (other === undefined) throw new Error('There is no other spelling')
  return other
}

/** The order of the group of P-256 (FIPS 186-5). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The second valid signature: if (r, s) is valid in ECDSA, so is (r, -s). */
function withNegatedS(token: string): string {
  const end = token.lastIndexOf('.') + 1
  const signature = Buffer.from(token.slice(end), 'base64url')
  const s = P256_ORDER - BigInt(`0x${signature.subarray(32).toString('hex')}`)
  const negated = Buffer.from(s.toString(16).padStart(64, '0'), 'hex')
  return token.slice(0, end) + Buffer.concat([signature.subarray(0, 32), negated]).toString('base64url')
}

describe('a revoked token', () => {
  it.each<[string, (token: string) => string]>([
    ['unchanged', (token) => token],
    ['with a space after it', (token) => `${token} `],
    ['with padding', (token) => `${token}==`],
    ['with other spare bits', withOtherSpareBits],
    ['with the other signature', withNegatedS],
  ])('is not active in another spelling: %s', async (_, spell) => {
    const issuer = await open()
    const token = await issuer.issueToken()
    expect((await introspect(issuer, token)).active).toBe(true)
    issuer.revoke(token)
    expect(await introspect(issuer, spell(token))).toEqual({ active: false })
  })

  it('does not affect other tokens of the same client', async () => {
    const issuer = await open()
    const [one, other] = [await issuer.issueToken(), await issuer.issueToken()]
    issuer.revoke(one)
    expect((await introspect(issuer, other)).active).toBe(true)
  })
})

// Ten thousand requests, which take long on a busy machine.
describe('client credentials tokens', { timeout: 120_000 }, () => {
  it('are not active after their client was evicted', async () => {
    const issuer = await open()
    const { client_id, client_secret } = await registerClient(issuer, { grant_types: ['client_credentials'] })
    const credentials = { client_id: String(client_id), client_secret: String(client_secret) }
    const grant = { grant_type: 'client_credentials', ...credentials }
    const token = textOf(await readObject(await requestToken(issuer, grant)), 'access_token')
    expect((await introspect(issuer, token)).active).toBe(true)
    for (let others = 0; others < 10_000; others++) await registerClient(issuer, {})
    expect((await requestToken(issuer, grant)).status).toBe(401)
    expect(await introspect(issuer, token)).toEqual({ active: false })
  })

  it('stay inactive after their client was deleted, even if others are deleted later', async () => {
    const issuer = await open()
    const answer = await readObject(await requestToken(issuer, CLIENT_CREDENTIALS))
    const token = textOf(answer, 'access_token')
    await manage(issuer, 'DELETE', `oauth_clients/${CLIENT.clientId}`)
    expect(await introspect(issuer, token)).toEqual({ active: false })
    for (let others = 0; others < scale(300, 10_000); others++) {
      const { client_id } = await registerClient(issuer, {})
      await manage(issuer, 'DELETE', `oauth_clients/${String(client_id)}`)
    }
    expect(await introspect(issuer, token)).toEqual({ active: false })
  })
})

describe('a token of issueToken', () => {
  it.each(['grant:of:mine', 'grant:of:mine:too', 'client:of:mine:too'])(
    'is active with a jti of any form: %s',
    async (jti) => {
      const issuer = await open()
      const token = await issuer.issueToken({ claims: { jti } })
      expect((await introspect(issuer, token)).active).toBe(true)
    },
  )

  it.each([' ', '=', '==', '.', '\n', '.x'])('is not active with %j appended', async (more) => {
    const issuer = await open()
    const token = await issuer.issueToken()
    expect(await introspect(issuer, token + more)).toEqual({ active: false })
    expect((await introspect(issuer, token)).active).toBe(true)
  })

  it.each(['../..', 'a:b:c', '__proto__', 'grant:x', ' ', 'ü/🎉'])(
    'is active as long as its grant, with the grant id %s',
    async (id) => {
      const issuer = await open({ grants: [{ id }] })
      const token = await issuer.issueToken({ grantId: id })
      expect((await introspect(issuer, token)).active).toBe(true)
      expect((await manage(issuer, 'DELETE', `oauth_grants/${encodeURIComponent(id)}`)).status).toBe(200)
      expect(await introspect(issuer, token)).toEqual({ active: false })
    },
  )

  it('has each scope of a seeded grant once', async () => {
    const issuer = await open({ grants: [{ id: 'g', scopes: ['ai.read', 'ai.read'] }] })
    expect(decodeJwt(await issuer.issueToken({ grantId: 'g' })).scope).toBe('ai.read')
  })
})

describe('listen', () => {
  it('can be called again after an invalid port', async () => {
    const issuer = await open()
    await rejectionOf(issuer.listen({ port: 65_536 }))
    const base = await issuer.listen()
    expect((await fetch(base + JWKS)).status).toBe(200)
  })

  it('is not undone by an earlier call that fails later', async () => {
    const { port } = await serve(() => {})
    const issuer = await open()
    const failing = rejectionOf(issuer.listen({ port }))
    const closing = issuer.close()
    const base = await issuer.listen()
    await Promise.all([failing, closing])
    const inProcess = await issuer.fetch(base + JWKS).then(
      ({ status }) => status,
      () => 'refused',
    )
    await issuer.close()
    const afterwards = await fetch(base + JWKS).then(
      () => 'served',
      () => 'refused',
    )
    expect({ inProcess, afterwards }).toEqual({ inProcess: 200, afterwards: 'refused' })
  })

  it('is not undone by an earlier call that was closed and starts later', async () => {
    const issuer = await open()
    // A host name is resolved first, which takes longer.
    const late = issuer.listen({ host: 'localhost' }).catch(() => undefined)
    const closing = issuer.close()
    const base = await issuer.listen()
    await Promise.all([late, closing])
    expect(issuer.issuer).toBe(base)
    expect((await issuer.fetch(base + JWKS)).status).toBe(200)
  })
})

describe('fetch with a body that never ends', () => {
  const endless = () => new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('a=')) })

  it('rejects when the caller gives up', async () => {
    const issuer = await open()
    const controller = new AbortController()
    const answer = stream(issuer, endless(), controller.signal)
    await until(() => issuer.requests.token.count === 1)
    controller.abort()
    expect(await rejectionOf(answer)).toMatchObject({ name: 'AbortError' })
  })

  it('rejects when the issuer is closed', async () => {
    const issuer = await open()
    const answer = stream(issuer, endless())
    await until(() => issuer.requests.token.count === 1)
    await issuer.close()
    expect(causeCode(await rejectionOf(answer))).toBe('ECONNRESET')
  })

  it('stops reading at the limit if the body is not bytes', async () => {
    const issuer = await open()
    let pieces = 0
    const body = new ReadableStream({
      pull(controller) {
        if (pieces++ < 1000) controller.enqueue('x'.repeat(1024))
        else controller.close()
      },
    })
    await stream(issuer, body).catch(() => undefined)
    expect(pieces).toBeLessThan(100)
  })
})

describe('parameters in JSON', () => {
  // RFC 6749 §3.2: unknown parameters are ignored.
  it.each([{ authorization_details: [{ type: 'x' }] }, { foo: null }, { foo: 1 }, { foo: { bar: [] } }])(
    'are ignored if they are unknown, with values of any type: %j',
    async (unknown) => {
      const issuer = await open()
      const parameters = { ...CLIENT_CREDENTIALS, ...unknown }
      const answer = await postJson(issuer.fetch, `${issuer.issuer}/v2/oauth/token`, parameters)
      expect(answer.status).toBe(200)
    },
  )

  it.each(['register', 'token', 'introspect'])('may be nested up to the size limit: %s', async (name) => {
    const issuer = await open()
    const body = `{"scope":${'['.repeat(30_000)}${']'.repeat(30_000)}}`
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
    expect((await issuer.fetch(`${issuer.issuer}/v2/oauth/${name}`, init)).status).toBe(400)
  })
})

describe('options', () => {
  it.each([' https://issuer.example', 'https://issuer.example\n', 'https:issuer.example', 'https://a b/'])(
    'refuse an identifier that a URL parser would repair: %j',
    async (issuer) => {
      expect(await rejectionOf(open({ issuer }))).toBeInstanceOf(TypeError)
    },
  )

  it.each(['a b', '', '"', 'ü'])('refuse an invalid scope: %j', async (scope) => {
    expect(await rejectionOf(open({ scopes: [scope] }))).toBeInstanceOf(TypeError)
  })

  it('accept an identifier whose path looks like a well-known path', async () => {
    const issuer = await open({ issuer: 'https://issuer.example/.well-known/t' })
    expect((await issuer.fetch(`${issuer.issuer}${JWKS}`)).status).toBe(200)
  })
})

describe('faults', () => {
  // Node runs a timer at once if its delay is larger.
  it.each([2 ** 31, Number.POSITIVE_INFINITY])('refuse a delay of %d milliseconds', async (delayMs) => {
    const issuer = await open()
    expect(() => issuer.fault('jwks', { delayMs })).toThrow(RangeError)
  })

  it('do not keep a body in memory after it was sent', async () => {
    const issuer = await open()
    issuer.fault('jwks', {
      body: async function* () {
        yield '{}'
      },
    })
    const bodies: WeakRef<object>[] = []
    for (let round = 0; round < 20; round++) {
      const response = await issuer.fetch(issuer.issuer + JWKS)
      expect(await response.text()).toBe('{}')
      if (response.body) bodies.push(new WeakRef(response.body))
    }
    setFlagsFromString('--expose-gc')
    const collectGarbage: unknown = runInNewContext('gc')
    if (typeof collectGarbage !== 'function') throw new Error('The garbage collector cannot be called')
    expect(bodies).toHaveLength(20)
    // The last bodies may still be in use. If the issuer kept all of them, this would never end.
    await until(() => {
      collectGarbage()
      return bodies.filter((body) => body.deref()).length < 5
    })
  })

  it('that drop a connection affect the requests on it, and no other connection', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    issuer.fault('jwks', { drop: true, times: 1 })
    const get = `GET ${JWKS} HTTP/1.1\r\nHost: x\r\n\r\n`
    expect(statuses(await exchangeBytes(base, get + get))).toEqual([])
    expect((await fetch(base + JWKS)).status).toBe(200)
  })
})

describe('over HTTP', () => {
  it.each(['127.0.0.1', 'localhost'])('answers HTTP/1.0 without a Host header, on %s', async (host) => {
    const base = await (await open()).listen({ host })
    expect(statuses(await exchangeBytes(base, `GET ${JWKS} HTTP/1.0\r\n\r\n`))).toEqual(['200'])
  })

  it.each([
    ['token', 413, 100_000],
    ['oauth_clients', 401, 100_000],
    ['nothing', 404, 100_000],
    ['oauth_clients', 401, 5],
  ])('a request that follows an unread body is answered separately: %s, %i', async (name, status, length) => {
    const base = await (await open()).listen()
    const path = name === 'token' ? 'oauth/token' : name
    const first = `POST /v2/${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`
    const second = `GET ${JWKS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
    expect(statuses(await exchangeBytes(base, first + second))).toEqual([String(status), '200'])
  })

  it.each(['x/y', 'u@x', 'x?y', 'x y', 'x\\y'])('answers 400 for the Host %j', async (host) => {
    const base = await (await open()).listen()
    const bytes = `GET ${JWKS} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
    expect(statuses(await exchangeBytes(base, bytes))).toEqual(['400'])
  })

  it('does not copy the Host or an absolute URL into its documents', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    const path = '/.well-known/oauth-authorization-server'
    for (const target of [path, `http://evil.example${path}`]) {
      const bytes = `GET ${target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`
      const answer = await exchangeBytes(base, bytes)
      expect(statuses(answer)).toEqual(['200'])
      expect(answer).not.toContain('evil.example')
    }
  })

  it.each(['a/b', 'a%b', 'a%2Fb', '__proto__', 'ü 🎉', 'a:b', '.hidden', 'a?b#c'])(
    'finds a client with the id %j in the path, and no other',
    async (clientId) => {
      const issuer = await open({ clients: [{ clientId }, CLIENT] })
      const base = await issuer.listen()
      const headers = { authorization: `Bearer ${issuer.apiKey}` }
      const url = `${base}/v2/oauth_clients/${encodeURIComponent(clientId)}`
      const { data } = await readObject(await fetch(url, { headers }))
      expect(data).toMatchObject({ client_id: clientId })
      expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204)
      expect(issuer.clients.map((client) => client.clientId)).toEqual([CLIENT.clientId])
    },
  )

  it('logs nothing about an upload that either side breaks off', async () => {
    const logs = [vi.spyOn(console, 'error'), vi.spyOn(console, 'info')].map((log) =>
      log.mockImplementation(() => {}),
    )
    const issuer = await open()
    const { port, hostname } = new URL(await issuer.listen())
    const head = `POST /v2/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM['content-type']}\r\n`
    const sockets = [1, 2].map(() => connect(Number(port), hostname))
    for (const socket of sockets) {
      socket.on('error', () => {})
      socket.write(`${head}Content-Length: 1000\r\n\r\nclient_secret=s3cret`)
    }
    await until(() => issuer.requests.token.count === 2)
    sockets[0]?.destroy()
    const closed = Promise.all(sockets.map((socket) => socket.destroyed || once(socket, 'close')))
    await issuer.close()
    await closed
    await settle()
    for (const log of logs) expect(log).not.toHaveBeenCalled()
  })
})

describe('concurrently', () => {
  it('two exchanges of a code give tokens once, and these are not active', async () => {
    const issuer = await open()
    const code = await obtainCode(issuer, AUTHORIZATION)
    const grant = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, ...CREDENTIALS }
    const answers = await Promise.all([requestToken(issuer, grant), requestToken(issuer, grant)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
    const good = answers.find(({ status }) => status === 200)
    if (!good) throw new Error('There is no token')
    const { access_token, refresh_token } = await readObject(good)
    expect(await introspect(issuer, String(access_token))).toEqual({ active: false })
    const refresh = { grant_type: 'refresh_token', refresh_token: String(refresh_token), ...CREDENTIALS }
    expect((await requestToken(issuer, refresh)).status).toBe(400)
    expect(issuer.grants).toEqual([])
  })

  it('a client that is deleted while it sends its request is refused', async () => {
    const issuer = await open()
    const code = await obtainCode(issuer, AUTHORIZATION)
    const grant = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, ...CREDENTIALS }
    const deleted = createSignal()
    const body = new ReadableStream({
      async pull(controller) {
        await deleted.promise
        controller.enqueue(Buffer.from(String(new URLSearchParams(grant))))
        controller.close()
      },
    })
    const answer = stream(issuer, body)
    await until(() => issuer.requests.token.count === 1)
    await manage(issuer, 'DELETE', `oauth_clients/${CLIENT.clientId}`)
    deleted.resolve()
    expect((await answer).status).toBe(401)
  })

  it('with key rotations, every token is signed with a published key', async () => {
    const issuer = await open()
    const rotations = [issuer.rotateKeys(), issuer.rotateKeys(), issuer.rotateKeys()]
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => requestToken(issuer, CLIENT_CREDENTIALS)))
    await Promise.all(rotations)
    for (const answer of answers) {
      const token = textOf(await readObject(answer), 'access_token')
      expect((await introspect(issuer, token)).active).toBe(true)
    }
  })

  it('tokens and refresh tokens stay valid if the clock goes back', async () => {
    let now = 1_800_000_000_000.75
    const issuer = await open({ now: () => now })
    const code = await obtainCode(issuer, AUTHORIZATION)
    const grant = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, ...CREDENTIALS }
    const answer = await readObject(await requestToken(issuer, grant))
    const { iat, exp } = decodeJwt(textOf(answer, 'access_token'))
    expect({ iat, exp }).toEqual({ iat: 1_800_000_000, exp: 1_800_003_600 })
    now -= 365 * 24 * 3600 * 1000
    expect((await introspect(issuer, textOf(answer, 'access_token'))).active).toBe(true)
    const refresh_token = textOf(answer, 'refresh_token')
    const refresh = { grant_type: 'refresh_token', refresh_token, ...CREDENTIALS }
    expect((await requestToken(issuer, refresh)).status).toBe(200)
  })
})
