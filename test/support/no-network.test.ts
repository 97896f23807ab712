import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { serve } from './http.js'

/** Addresses for documentation (RFC 5737): no answer would ever come. */
const ELSEWHERE = '192.0.2.1'
const REFUSED = { code: 'ENETUNREACH' }

describe('no test leaves this machine', () => {
  it.each(['http', 'https'])('by fetch over %s', async (scheme) => {
    await expect(fetch(`${scheme}://${ELSEWHERE}/`)).rejects.toMatchObject({ cause: REFUSED })
    await expect(fetch(`${scheme}://api.telnyx.com/`)).rejects.toMatchObject({ cause: REFUSED })
  })

  it('by node:http', async () => {
    const [error] = await once(request(`http://${ELSEWHERE}/`), 'error')
    expect(error).toMatchObject(REFUSED)
  })

  it.each([
    ['options', () => connect({ host: ELSEWHERE, port: 80 })],
    ['a port and a host', () => connect(80, ELSEWHERE)],
    ['TLS', () => connectTls({ host: ELSEWHERE, port: 443 })],
  ])('by a socket, with %s', async (_, open) => {
    const [error] = await once(open(), 'error')
    expect(error).toMatchObject(REFUSED)
  })

  it('positive control: loopback is open', async () => {
    const { port } = await serve((_request, response) => response.end('here'))
    for (const host of ['127.0.0.1', 'localhost'])
      expect(await (await fetch(`http://${host}:${port}`)).text()).toBe('here')
  })
})
