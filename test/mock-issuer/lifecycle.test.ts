import { connect } from 'node:net'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { decodeJwt } from 'jose'
import { afterEach, describe, expect, it } from 'vitest'
import { expectNothingUnhandled, until } from '../support/event-loop.js'
import {
  basicCredentials,
  causeCode,
  postForm,
  readKeys,
  readObject,
  rejectionOf,
  textOf,
} from '../support/oauth-requests.js'

const WELL_KNOWN = '/.well-known/oauth-authorization-server'
const CLIENT = { clientId: 'app', clientSecret: 's3cret' }
const BASIC = { authorization: basicCredentials(CLIENT.clientId, CLIENT.clientSecret) }

expectNothingUnhandled()

const opened: MockIssuer[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((issuer) => issuer.close()))
})

async function open(options: Parameters<typeof createMockIssuer>[0] = {}): Promise<MockIssuer> {
  const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [CLIENT], ...options })
  opened.push(issuer)
  return issuer
}

describe('fetch', () => {
  it('accepts a string, a URL and a Request, and works without its receiver', async () => {
    const { fetch } = await open()
    const url = `https://api.telnyx.com${WELL_KNOWN}`
    for (const input of [url, new URL(url), new Request(url)]) expect((await fetch(input)).status).toBe(200)
  })

  it('reads the body of a Request', async () => {
    const { fetch } = await open()
    const request = new Request('https://api.telnyx.com/v2/oauth/token', {
      method: 'POST',
      headers: BASIC,
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    expect((await fetch(request)).status).toBe(200)
  })

  it('answers other paths with 404', async () => {
    const { fetch } = await open()
    for (const path of ['/', '/v2/oauth', '/v2/oauth/jwks/', '/constructor', '//v2/oauth/jwks'])
      expect((await fetch(`https://api.telnyx.com${path}`)).status).toBe(404)
  })

  it.each([
    'https://example.com/',
    'http://api.telnyx.com/v2/oauth/jwks',
    'https://api.telnyx.com:8443/v2/oauth/jwks',
    'https://api.telnyx.com.example.com/v2/oauth/jwks',
    'http://127.0.0.1:1/v2/oauth/jwks',
  ])('rejects for %s as for an unknown host', async (url) => {
    const { fetch } = await open()
    const error = await rejectionOf(fetch(url))
    expect(error).toBeInstanceOf(TypeError)
    expect(causeCode(error)).toBe('ENOTFOUND')
  })

  it('rejects for an invalid URL', async () => {
    const { fetch } = await open()
    expect(await rejectionOf(fetch('/v2/oauth/jwks'))).toBeInstanceOf(TypeError)
  })

  it('rejects with the reason of an aborted signal, and counts nothing', async () => {
    const issuer = await open()
    const reason = new Error('enough')
    const init = { signal: AbortSignal.abort(reason) }
    expect(await rejectionOf(issuer.fetch(`https://api.telnyx.com${WELL_KNOWN}`, init))).toBe(reason)
    expect(await rejectionOf(issuer.fetch(new Request('https://example.com/', init)))).toBe(reason)
    expect(issuer.requests.metadata.count).toBe(0)
  })

  it('rejects if the signal is aborted right after the call, before the response', async () => {
    const issuer = await open()
    const abort = new AbortController()
    const reason = new Error('enough')
    const rejections = [
      rejectionOf(issuer.fetch(`https://api.telnyx.com${WELL_KNOWN}`, { signal: abort.signal })),
      rejectionOf(
        postForm(
          (url, init) => issuer.fetch(url, { ...init, signal: abort.signal }),
          'https://api.telnyx.com/v2/oauth/token',
          { grant_type: 'client_credentials' },
          BASIC,
        ),
      ),
    ]
    abort.abort(reason)
    expect(await Promise.all(rejections)).toEqual([reason, reason])
  })

  it('rejects with a reason that is not an Error', async () => {
    const issuer = await open()
    issuer.fault('jwks', { silence: true })
    const abort = new AbortController()
    const rejection = rejectionOf(
      issuer.fetch('https://api.telnyx.com/v2/oauth/jwks', { signal: abort.signal }),
    )
    await until(() => issuer.requests.jwks.count > 0)
    abort.abort('enough')
    expect(await rejection).toBe('enough')
  })

  it('rejects when the body of the request cannot be read', async () => {
    const { fetch } = await open()
    const body = new ReadableStream({
      pull() {
        throw new Error('broken')
      },
    })
    const init: RequestInit = { method: 'POST', headers: BASIC, body, duplex: 'half' }
    await rejectionOf(fetch('https://api.telnyx.com/v2/oauth/token', init))
  })
})

describe('requests', () => {
  it('are counted per endpoint, with the times of the issuer’s clock', async () => {
    let now = 1000.5
    const issuer = await open({ now: () => now })
    await issuer.fetch(`https://api.telnyx.com${WELL_KNOWN}`)
    now = 2000
    await issuer.fetch('https://api.telnyx.com/v2/oauth/jwks')
    now = 1500
    await issuer.fetch('https://api.telnyx.com/v2/oauth/jwks')
    const { metadata, jwks, ...others } = issuer.requests
    expect(metadata).toEqual({ count: 1, times: [1000.5] })
    expect(jwks).toEqual({ count: 2, times: [2000, 1500] })
    expect(Object.keys(others)).toHaveLength(15)
    for (const log of Object.values(others)) expect(log).toEqual({ count: 0, times: [] })
  })

  it('are counted if they are refused, too long or answered by a fault', async () => {
    const issuer = await open()
    const token = 'https://api.telnyx.com/v2/oauth/token'
    await postForm(issuer.fetch, token, {})
    await postForm(issuer.fetch, token, { a: 'x'.repeat(100_000) })
    issuer.fault('token', { status: 500 })
    await postForm(issuer.fetch, token, {})
    issuer.fault('token', { drop: true })
    await rejectionOf(postForm(issuer.fetch, token, {}))
    expect(issuer.requests.token.count).toBe(4)
  })

  it('are not counted for other paths, methods and hosts', async () => {
    const issuer = await open()
    await issuer.fetch('https://api.telnyx.com/')
    await issuer.fetch('https://api.telnyx.com/v2/oauth/token')
    await rejectionOf(issuer.fetch('https://example.com/v2/oauth/jwks'))
    for (const log of Object.values(issuer.requests)) expect(log.count).toBe(0)
  })

  it('are counted beyond the number of times that are kept', async () => {
    let now = 0
    const issuer = await open({ now: () => now++ })
    now = 0
    issuer.fault('jwks', { status: 204 })
    for (let each = 0; each < 10_002; each++) await issuer.fetch('https://api.telnyx.com/v2/oauth/jwks')
    expect(issuer.requests.jwks.count).toBe(10_002)
    expect(issuer.requests.jwks.times).toHaveLength(10_000)
    expect(issuer.requests.jwks.times[0]).toBe(2)
    expect(issuer.requests.jwks.times.at(-1)).toBe(10_001)
  })
})

describe('listen', () => {
  it('serves on 127.0.0.1, and the identifier becomes that URL', async () => {
    const issuer = await open()
    const before = await issuer.issueToken()
    const base = await issuer.listen()
    expect(base).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(issuer.issuer).toBe(base)
    expect(decodeJwt(await issuer.issueToken()).iss).toBe(base)
    expect(decodeJwt(before).iss).toBe('https://api.telnyx.com')

    const metadata = await readObject(await fetch(base + WELL_KNOWN))
    expect(metadata).toMatchObject({ issuer: base, jwks_uri: `${base}/v2/oauth/jwks` })
    expect(await readKeys(fetch, textOf(metadata, 'jwks_uri'))).toHaveLength(1)
    const granted = await postForm(
      fetch,
      textOf(metadata, 'token_endpoint'),
      { grant_type: 'client_credentials' },
      BASIC,
    )
    expect(granted.status).toBe(200)
    const token = textOf(await readObject(granted), 'access_token')
    const endpoint = textOf(metadata, 'introspection_endpoint')
    expect(await readObject(await postForm(fetch, endpoint, { token }, BASIC))).toMatchObject({
      active: true,
      iss: base,
    })
    // A token with another identifier is not a token of this issuer.
    expect(await readObject(await postForm(fetch, endpoint, { token: before }, BASIC))).toEqual({
      active: false,
    })
  })

  it('keeps an identifier that was set', async () => {
    const issuer = await open({ issuer: 'https://as.example.com/tenant' })
    const base = await issuer.listen()
    expect(issuer.issuer).toBe('https://as.example.com/tenant')
    const metadata = await readObject(await fetch(`${base}${WELL_KNOWN}/tenant`))
    expect(metadata.issuer).toBe('https://as.example.com/tenant')
    expect(await readKeys(fetch, `${base}/tenant/v2/oauth/jwks`)).toHaveLength(1)
    // In process, it answers at both addresses.
    expect((await issuer.fetch(`https://as.example.com${WELL_KNOWN}/tenant`)).status).toBe(200)
    expect((await issuer.fetch(`${base}${WELL_KNOWN}/tenant`)).status).toBe(200)
  })

  it('keeps an identifier that was set to the default', async () => {
    const issuer = await open({ issuer: 'https://api.telnyx.com' })
    await issuer.listen()
    expect(issuer.issuer).toBe('https://api.telnyx.com')
  })

  it('answers its own fetch in process at the new address only', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    expect((await issuer.fetch(base + WELL_KNOWN)).status).toBe(200)
    const error = await rejectionOf(issuer.fetch(`https://api.telnyx.com${WELL_KNOWN}`))
    expect(causeCode(error)).toBe('ENOTFOUND')
  })

  it('counts requests over HTTP and in process together', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    await fetch(base + WELL_KNOWN)
    await issuer.fetch(base + WELL_KNOWN)
    expect(issuer.requests.metadata.count).toBe(2)
  })

  it('uses the given port, and rejects if it is in use', async () => {
    const first = await open()
    const port = Number(new URL(await first.listen()).port)
    const second = await open()
    await expect(second.listen({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(second.issuer).toBe('https://api.telnyx.com')

    await first.close()
    // After a failure, it can be called again.
    expect(await second.listen({ port })).toBe(`http://127.0.0.1:${port}`)
    expect((await fetch(`http://127.0.0.1:${port}${WELL_KNOWN}`)).status).toBe(200)
  })

  it('can be closed after it failed for a port in use', async () => {
    const first = await open()
    const second = await open()
    const port = Number(new URL(await first.listen()).port)
    await rejectionOf(second.listen({ port }))
    await second.close()
    expect((await fetch(`http://127.0.0.1:${port}${WELL_KNOWN}`)).status).toBe(200)
  })

  it('uses the given host', async () => {
    const issuer = await open()
    const base = await issuer.listen({ host: 'localhost' })
    expect(base).toMatch(/^http:\/\/localhost:\d+$/)
    expect((await fetch(base + WELL_KNOWN)).status).toBe(200)
  })

  it('is refused twice, and the first server continues', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    await expect(issuer.listen()).rejects.toThrow()
    expect((await fetch(base + WELL_KNOWN)).status).toBe(200)
    expect(issuer.issuer).toBe(base)
  })

  it('is refused once if it is called twice at once', async () => {
    const issuer = await open()
    const outcomes = await Promise.allSettled([issuer.listen(), issuer.listen()])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('accepts bodies of unknown length', async () => {
    const base = await (await open()).listen()
    // Raw bytes, as clients send a length if they know it.
    const answer = await sendRaw(
      base,
      [
        'POST /v2/oauth/token HTTP/1.1',
        'Host: 127.0.0.1',
        `Authorization: ${BASIC.authorization}`,
        'Content-Type: application/x-www-form-urlencoded',
        'Transfer-Encoding: chunked',
        'Connection: close',
        '',
        'b\r\ngrant_type=\r\n12\r\nclient_credentials\r\n0\r\n\r\n',
      ].join('\r\n'),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toContain('access_token')
  })

  it.each([
    ['Content-Length: 100000', 'a='.padEnd(100_000, 'x')],
    // Refused for the length that it announces.
    ['Content-Length: 100000', ''],
    ['Transfer-Encoding: chunked', `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n0\r\n\r\n`],
  ])('refuses bodies that are too long: %s', async (header, body) => {
    const base = await (await open()).listen()
    const head = [
      'POST /v2/oauth/token HTTP/1.1',
      'Host: 127.0.0.1',
      'Content-Type: application/x-www-form-urlencoded',
      header,
      'Connection: close',
    ]
    expect(await sendRaw(base, `${head.join('\r\n')}\r\n\r\n${body}`)).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('answers what is not HTTP with 400', async () => {
    const base = await (await open()).listen()
    expect(await sendRaw(base, 'hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await sendRaw(base, 'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 /,
    )
  })

  it('does not replace the global classes of the process', async () => {
    const before = [globalThis.Request, globalThis.Response, globalThis.Headers, globalThis.fetch]
    const base = await (await open()).listen()
    const response = await fetch(base + WELL_KNOWN)
    expect(response).toBeInstanceOf(Response)
    expect([globalThis.Request, globalThis.Response, globalThis.Headers, globalThis.fetch]).toEqual(before)
    // They are Node's own: a replacement has another source.
    for (const each of [Request, Response])
      expect(each.toString()).not.toMatch(/getRequestCache|getResponseCache/)
  })
})

describe('close', () => {
  it('closes the port, and fetch rejects', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    expect((await fetch(base + WELL_KNOWN)).status).toBe(200)
    await issuer.close()
    expect(causeCode(await rejectionOf(fetch(base + WELL_KNOWN)))).toBe('ECONNREFUSED')
    const error = await rejectionOf(issuer.fetch(base + WELL_KNOWN))
    expect(error).toBeInstanceOf(TypeError)
    expect(causeCode(error)).toBe('ECONNREFUSED')
    expect(issuer.requests.metadata.count).toBe(1)
  })

  it('makes fetch reject without a port as well', async () => {
    const issuer = await open()
    await issuer.close()
    const error = await rejectionOf(issuer.fetch(`https://api.telnyx.com${WELL_KNOWN}`))
    expect(causeCode(error)).toBe('ECONNREFUSED')
    // Tokens need no request.
    expect(await issuer.issueToken()).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  })

  it('closes keep-alive connections', async () => {
    const issuer = await open()
    const socket = await openSocket(await issuer.listen())
    const closed = new Promise((resolve) => socket.once('close', resolve))
    await issuer.close()
    await closed
  })

  it('does not wait for a request that is never answered', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    issuer.fault('jwks', { silence: true })
    const overHttp = rejectionOf(fetch(`${base}/v2/oauth/jwks`))
    const inProcess = rejectionOf(issuer.fetch(`${base}/v2/oauth/jwks`))
    await until(() => issuer.requests.jwks.count === 2)
    await issuer.close()
    expect(await overHttp).toBeInstanceOf(TypeError)
    // As over HTTP, where the connection is closed.
    expect(causeCode(await inProcess)).toBe('ECONNRESET')
  })

  it('does not wait for a body that never ends', async () => {
    const issuer = await open()
    const base = await issuer.listen()
    issuer.fault('jwks', {
      body: async function* () {
        yield '{'
        await new Promise(() => {})
      },
    })
    const response = await fetch(`${base}/v2/oauth/jwks`)
    const text = rejectionOf(response.text())
    await issuer.close()
    expect(await text).toBeInstanceOf(Error)
  })

  it('can be called twice, also at once', async () => {
    const issuer = await open()
    await issuer.listen()
    await Promise.all([issuer.close(), issuer.close()])
    await issuer.close()
  })

  it('leaves no port open if it is called while the server starts', async () => {
    const issuer = await open()
    const listening = issuer.listen().then(
      (base) => base,
      () => undefined,
    )
    await issuer.close()
    const base = await listening
    if (base !== undefined)
      expect(causeCode(await rejectionOf(fetch(base + WELL_KNOWN)))).toBe('ECONNREFUSED')
    expect(causeCode(await rejectionOf(issuer.fetch(issuer.issuer + WELL_KNOWN)))).toBe('ECONNREFUSED')
  })

  it('is undone by the next listen', async () => {
    const issuer = await open()
    const first = await issuer.listen()
    await issuer.close()
    const second = await issuer.listen()
    expect(issuer.issuer).toBe(second)
    expect((await fetch(second + WELL_KNOWN)).status).toBe(200)
    expect((await issuer.fetch(second + WELL_KNOWN)).status).toBe(200)
    if (first !== second) await rejectionOf(fetch(first + WELL_KNOWN))
  })
})

describe('several issuers', () => {
  it('share nothing', async () => {
    const [one, two] = [await open(), await open()]
    const [oneBase, twoBase] = [await one.listen(), await two.listen()]
    expect(oneBase).not.toBe(twoBase)
    const token = await two.issueToken()

    one.fault('jwks', { status: 500 })
    one.revoke(token)
    await one.rotateKeys({ keepOld: false })
    expect((await fetch(`${oneBase}/v2/oauth/jwks`)).status).toBe(500)
    expect(two.requests.jwks.count).toBe(0)
    expect(await readKeys(fetch, `${twoBase}/v2/oauth/jwks`)).toHaveLength(1)
    expect(one.requests.jwks.count).toBe(1)

    const answer = await postForm(fetch, `${twoBase}/v2/oauth/introspect`, { token }, BASIC)
    expect(await readObject(answer)).toMatchObject({ active: true })
    expect(causeCode(await rejectionOf(one.fetch(twoBase + WELL_KNOWN)))).toBe('ENOTFOUND')

    await one.close()
    expect((await fetch(twoBase + WELL_KNOWN)).status).toBe(200)
  })
})

/** Writes bytes to the server and reads until it closes the connection. */
function sendRaw(base: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(new URL(base).port), '127.0.0.1', () => socket.write(text))
    socket.setEncoding('utf8')
    socket.on('data', (piece: string) => {
      answer += piece
    })
    // A server that refuses a body may reset the connection after its response.
    socket.on('error', (error) => (answer === '' ? reject(error) : resolve(answer)))
    socket.on('close', () => resolve(answer))
  })
}

function openSocket(base: string): Promise<ReturnType<typeof connect>> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })
}

describe('the host to listen on', () => {
  it('refuses an empty host: Node would listen on all addresses', async () => {
    const issuer = await open()
    expect(await rejectionOf(issuer.listen({ host: '' }))).toBeInstanceOf(TypeError)
    expect(new URL(await issuer.listen()).hostname).toBe('127.0.0.1')
  })

  it.each([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '[::1]'],
    ['::1', '[::1]'],
  ])('on %s returns a URL that reaches the server', async (host, reached) => {
    const issuer = await open()
    const base = await issuer.listen({ host }).catch((error: NodeJS.ErrnoException) => error.code ?? '')
    // Some machines have no IPv6.
    if (['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(base)) return
    expect(new URL(base).hostname).toBe(reached)
    expect(issuer.issuer).toBe(base)
  })
})
