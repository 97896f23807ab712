import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCertificate } from '../support/certificates.js'
import { AUDIENCE, codeOf } from '../support/outcome.js'

/** Tokens that are bound to a certificate of the client (RFC 8705). */

const client = createCertificate('client')
const other = createCertificate('other')
let issuer: MockIssuer
let bound: string
let plain: string
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  bound = await issuer.issueToken({ claims: { cnf: { 'x5t#S256': client.x5t } } })
  plain = await issuer.issueToken()
})

const verifierWith = (options: VerifierOptions) =>
  createVerifier({ audience: AUDIENCE, fetch: issuer.fetch, ...options })

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const connection = (raw: unknown) => ({
  remoteAddress: '10.0.0.5',
  getPeerCertificate: () => (raw === undefined ? {} : { raw }),
})

describe('T1: the certificate of the connection', () => {
  const ask = (raw: unknown, token = bound) =>
    verifierWith({ mtls: 'tls' }).authenticate({ headers: bearer(token), socket: connection(raw) })

  it('is that of the token: accepted', async () => {
    await expect(ask(client.der)).resolves.toMatchObject({ confirmation: { x5t: client.x5t } })
  })

  it.each<[string, () => unknown, string]>([
    ['another one', () => other.der, 'ERR_BINDING_MISMATCH'],
    ['none', () => undefined, 'ERR_CERTIFICATE_MISSING'],
    ['one that is cut short', () => client.der.subarray(0, -1), 'ERR_CERTIFICATE_MISSING'],
    ['one with more bytes', () => Buffer.concat([client.der, Buffer.from([0])]), 'ERR_CERTIFICATE_MISSING'],
    ['no bytes', () => 5, 'ERR_CERTIFICATE_MISSING'],
    ['empty', () => Buffer.alloc(0), 'ERR_CERTIFICATE_MISSING'],
  ])('%s: refused', async (_, raw, code) => {
    expect(await codeOf(ask(raw()))).toBe(code)
  })

  it('is not asked for by a token that is not bound', async () => {
    await expect(ask(undefined, plain)).resolves.toMatchObject({ confirmation: undefined })
  })

  it('a connection without TLS, a web request and a token alone have none', async () => {
    const verifier = verifierWith({ mtls: 'tls' })
    for (const request of [
      { headers: bearer(bound), socket: {} },
      { headers: bearer(bound) },
      new Request('https://api.example.com', { headers: bearer(bound) }),
    ])
      expect(await codeOf(verifier.authenticate(request))).toBe('ERR_CERTIFICATE_MISSING')
    expect(await codeOf(verifier.verify(bound))).toBe('ERR_CERTIFICATE_MISSING')
  })

  it('is checked for a cached token too', async () => {
    const verifier = verifierWith({ mtls: 'tls' })
    const asked = (raw: unknown) => verifier.authenticate({ headers: bearer(bound), socket: connection(raw) })
    await asked(client.der)
    expect(await codeOf(asked(other.der))).toBe('ERR_BINDING_MISMATCH')
    await asked(client.der)
  })

  it('without the option, the token is refused', async () => {
    const request = { headers: bearer(bound), socket: connection(client.der) }
    expect(await codeOf(verifierWith({}).authenticate(request))).toBe('ERR_TOKEN_BOUND')
    expect(await codeOf(verifierWith({ dpop: 'optional' }).authenticate(request))).toBe('ERR_TOKEN_BOUND')
  })

  it('a refusal is a 401 invalid_token, and the challenge is for Bearer tokens', async () => {
    const error = await ask(undefined).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ status: 401, reason: 'certificate-missing', claim: 'cnf' })
    expect(Reflect.get(Object(error), 'headers')['WWW-Authenticate']).toMatch(
      /^Bearer realm="api", error="invalid_token"/,
    )
  })
})

describe('T2, attack 53: a certificate in the header Client-Cert', () => {
  const inHeader = (der: Buffer) => `:${der.toString('base64')}:`
  const ask = (
    values: Record<string, string | string[]>,
    remoteAddress: string,
    from = ['10.0.0.0/8', '::1'],
  ) =>
    verifierWith({ mtls: { header: 'client-cert', from } }).authenticate({
      headers: { ...bearer(bound), ...values },
      socket: { remoteAddress },
    })

  it.each(['10.0.0.5', '10.255.0.1', '::1', '::ffff:10.0.0.5'])(
    'of the named proxy %s: accepted',
    async (address) => {
      await expect(ask({ 'client-cert': inHeader(client.der) }, address)).resolves.toMatchObject({
        confirmation: { x5t: client.x5t },
      })
    },
  )

  it.each(['11.0.0.5', '127.0.0.1', '::2', '', 'proxy.example.com', '10.0.0.5, 1.2.3.4'])(
    'of %j, which is not named: refused',
    async (address) => {
      const header = { 'client-cert': inHeader(client.der) }
      expect(await codeOf(ask(header, address))).toBe('ERR_CERTIFICATE_MISSING')
      const forwarded = { ...header, 'x-forwarded-for': '10.0.0.5', forwarded: 'for=10.0.0.5' }
      expect(await codeOf(ask(forwarded, address))).toBe('ERR_CERTIFICATE_MISSING')
    },
  )

  it.each<[string, () => string | string[]]>([
    ['twice', () => [inHeader(client.der), inHeader(client.der)]],
    ['twice, joined', () => `${inHeader(client.der)}, ${inHeader(client.der)}`],
    ['as PEM', () => client.pem.cert],
    ['as base64 without colons', () => client.der.toString('base64')],
    ['in base64url', () => `:${client.der.toString('base64url')}:`],
    ['cut short', () => inHeader(client.der.subarray(0, 100))],
    ['with a parameter', () => `${inHeader(client.der)};a=1`],
    ['empty', () => '::'],
    ['too long', () => `:${'A'.repeat(20_000)}:`],
  ])('%s: refused', async (_, value) => {
    const code = await codeOf(ask({ 'client-cert': value() }, '10.0.0.5'))
    expect(['ERR_CERTIFICATE_MISSING', 'ERR_BINDING_MISMATCH']).toContain(code)
  })

  it('of another client: refused', async () => {
    const header = { 'client-cert': inHeader(other.der) }
    expect(await codeOf(ask(header, '10.0.0.5'))).toBe('ERR_BINDING_MISMATCH')
  })

  it.each<unknown>([
    { header: 'x-client-cert', from: ['10.0.0.5'] },
    { header: 'client-cert' },
    { header: 'client-cert', from: [] },
    { header: 'client-cert', from: '10.0.0.5' },
    { header: 'client-cert', from: ['0.0.0.0/0'] },
    { header: 'client-cert', from: ['::/0'] },
    { header: 'client-cert', from: ['10.0.0.0/33'] },
    { header: 'client-cert', from: ['proxy'] },
    { header: 'client-cert', from: ['10.0.0.5/8/8'] },
    { header: 'client-cert', from: [5] },
    'on',
    true,
  ])('C: mtls: %j', (mtls) => {
    const options: object = { audience: AUDIENCE, mtls }
    expect(() => createVerifier(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
  })
})

describe('T1: a certificate from a function', () => {
  it.each([
    ['DER', () => new Uint8Array(client.der)],
    ['PEM', () => client.pem.cert],
  ])('as %s: accepted', async (_, mtls) => {
    await expect(verifierWith({ mtls }).authenticate({ headers: bearer(bound) })).resolves.toBeDefined()
  })

  it('that returns none, or another one: refused', async () => {
    const ask = (mtls: () => string | undefined) =>
      codeOf(verifierWith({ mtls }).authenticate({ headers: bearer(bound) }))
    expect(await ask(() => undefined)).toBe('ERR_CERTIFICATE_MISSING')
    expect(await ask(() => 'no certificate')).toBe('ERR_CERTIFICATE_MISSING')
    expect(await ask(() => other.pem.cert)).toBe('ERR_BINDING_MISMATCH')
  })
})

describe('T1: other bindings', () => {
  it('senderConstrained: a token that is bound to a certificate is enough', async () => {
    const verifier = verifierWith({ mtls: () => client.der, senderConstrained: true })
    await expect(verifier.authenticate({ headers: bearer(bound) })).resolves.toBeDefined()
    expect(await codeOf(verifier.authenticate({ headers: bearer(plain) }))).toBe('ERR_TOKEN_NOT_BOUND')
  })

  it.each([
    { 'x5t#S256': client.x5t, other: 'x' },
    { 'x5t#S256': client.x5t, jkt: client.x5t },
    { 'x5t#S256': [client.x5t] },
    { 'x5t#S256': '' },
    { x5t: client.x5t },
    {},
    [],
    null,
    'x',
  ])('cnf: %j: refused', async (cnf) => {
    const token = await issuer.issueToken({ claims: { cnf } })
    const verifier = verifierWith({ mtls: () => client.der })
    expect(await codeOf(verifier.authenticate({ headers: bearer(token) }))).toBe('ERR_TOKEN_BOUND')
  })

  it('P1: the metadata say it', () => {
    expect(verifierWith({ mtls: 'tls' }).protectedResourceMetadata()?.document).toMatchObject({
      tls_client_certificate_bound_access_tokens: true,
    })
  })
})
