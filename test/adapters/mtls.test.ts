import { once } from 'node:events'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Certificate, createCertificate } from '../support/certificates.js'
import { serve } from '../support/http.js'
import { AUDIENCE } from '../support/outcome.js'
import { harnesses } from './contract/all.js'

/** Tokens that are bound to a certificate (RFC 8705), on a real HTTPS server that ends TLS itself. */

const server = createCertificate('127.0.0.1')
const client = createCertificate('client')
const other = createCertificate('other')
let issuer: MockIssuer
let token: string
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  token = await issuer.issueToken({ subject: 'user-1', claims: { cnf: { 'x5t#S256': client.x5t } } })
})

/** Sends the token on a new connection, with the certificate of a client. */
async function ask(
  port: number,
  certificate?: Certificate,
): Promise<[status: number | undefined, body: unknown]> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/me',
    agent: false,
    rejectUnauthorized: false,
    headers: { authorization: `Bearer ${token}` },
    ...certificate?.pem,
  })
  sent.end()
  const [response] = await once(sent, 'response')
  return [response.statusCode, await json(response)]
}

/** Those whose handlers get a request of Node: a web request has no connection. */
const ofNode = harnesses.filter(([name]) => /^(?:Express|Koa|Fastify)/.test(name))

describe.each(ofNode)('%s', (_, harness) => {
  it('T1: the certificate of the connection must be that of the token', async () => {
    const listener = await harness.build({
      options: { audience: AUDIENCE, fetch: issuer.fetch, mtls: 'tls' },
      routes: [{ path: '/me', handle: ({ getAuth }) => getAuth().confirmation }],
      optional: false,
      errors: 'respond',
      headers: {},
      placement: 'global',
    })
    const https = createServer({ ...server.pem, requestCert: true, rejectUnauthorized: false }, listener)
    onTestFinished(async () => {
      https.closeAllConnections()
      await new Promise((resolve) => https.close(resolve))
    })
    https.listen(0, '127.0.0.1')
    await once(https, 'listening')
    const { port }: AddressInfo = Object(https.address())
    expect(await ask(port, client)).toEqual([200, { x5t: client.x5t }])
    expect(await ask(port, other)).toMatchObject([401, { code: 'ERR_BINDING_MISMATCH' }])
    expect(await ask(port)).toMatchObject([401, { code: 'ERR_CERTIFICATE_MISSING' }])
  })

  it('T2, attack 53: Client-Cert counts from the named proxy only', async () => {
    const header = `Client-Cert: :${client.der.toString('base64')}:`
    const statusOf = async (from: string, ...lines: string[]) => {
      const listener = await harness.build({
        options: { audience: AUDIENCE, fetch: issuer.fetch, mtls: { header: 'client-cert', from: [from] } },
        routes: [{ path: '/me', handle: ({ getAuth }) => getAuth().confirmation }],
        optional: false,
        errors: 'respond',
        headers: {},
        placement: 'global',
      })
      const { client: connection } = await serve(listener)
      const { status, body } = await connection.request('GET', '/me', [
        `Authorization: Bearer ${token}`,
        ...lines,
      ])
      return [status, JSON.parse(body).code]
    }
    expect(await statusOf('127.0.0.0/8', header)).toEqual([200, undefined])
    for (const [from, ...lines] of [
      ['10.0.0.0/8', header],
      ['10.0.0.0/8', header, 'X-Forwarded-For: 10.0.0.1'],
      ['127.0.0.0/8', header, header],
      ['127.0.0.0/8', `Client-Cert: ${client.der.toString('base64')}`],
      ['127.0.0.0/8'],
    ] as const)
      expect(await statusOf(from, ...lines)).toEqual([401, 'ERR_CERTIFICATE_MISSING'])
  })
})

describe.each(harnesses)('%s', (_, harness) => {
  it('T1: a certificate that a function returns must be that of the token', async () => {
    let presented: Buffer | undefined
    const listener = await harness.build({
      options: { audience: AUDIENCE, fetch: issuer.fetch, mtls: () => presented },
      routes: [{ path: '/me', handle: ({ getAuth }) => getAuth().confirmation }],
      optional: false,
      errors: 'respond',
      headers: {},
      placement: 'global',
    })
    const { client: connection } = await serve(listener)
    const answer = async (certificate: Buffer | undefined) => {
      presented = certificate
      const { status, body, headers } = await connection.request('GET', '/me', [
        `Authorization: Bearer ${token}`,
      ])
      return [status, JSON.parse(body), headers.get('www-authenticate')]
    }
    const refusal = (code: string, description: string) => [
      401,
      { error: 'invalid_token', error_description: description, code },
      [
        `Bearer realm="api", error="invalid_token", error_description="${description}", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`,
      ],
    ]
    expect(await answer(client.der)).toEqual([200, { x5t: client.x5t }, undefined])
    expect(await answer(other.der)).toEqual(
      refusal('ERR_BINDING_MISMATCH', 'The access token is bound to another key or certificate'),
    )
    expect(await answer(undefined)).toEqual(
      refusal(
        'ERR_CERTIFICATE_MISSING',
        'The access token is bound to a certificate, and the client has presented none',
      ),
    )
  })
})
