import { describe, expect, it, vi } from 'vitest'
import { describeTls, tlsRepairOf } from '../../packages/cli/src/doctor/tls.js'
import { createCertificate } from '../support/certificates.js'
import { serve } from '../support/http.js'
import { diagnose } from './harness.js'
import { serveTls } from './tls-server.js'

/** Faults of TLS, over real connections. A certificate that is trusted needs a process of its own: see `process.test.ts`. */

describe('a connection that fails', () => {
  it('a certificate that signs itself: exit code 1, and how to trust it', async () => {
    const { code, of } = await diagnose([await serveTls(createCertificate('localhost'))], {})
    expect(code).toBe(1)
    expect(of('tls')).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
      repair: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    })
    for (const id of ['discovery', 'keys']) expect(of(id)?.outcome).toBe('skipped')
  })

  it('a server that speaks no TLS', async () => {
    const { port } = await serve((_request, response) => void response.end())
    const { code, of } = await diagnose([`https://localhost:${port}`], {})
    expect(code).toBe(1)
    expect(of('tls')).toMatchObject({ outcome: 'wrong', repair: expect.stringContaining('https') })
  })

  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'intermediate certificates'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'intermediate certificates'],
    ['CERT_HAS_EXPIRED', 'renew'],
    ['CERT_NOT_YET_VALID', 'clock'],
    ['CERT_REVOKED', 'certificate'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'another host name'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'port'],
  ])('%s has a repair', (code, repair) => {
    expect(tlsRepairOf(code)).toContain(repair)
  })

  it.each(['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT', undefined])(
    '%s is no fault of TLS',
    (code) => {
      expect(tlsRepairOf(code)).toBeUndefined()
    },
  )
})

describe('a certificate that is trusted', () => {
  it.each([
    [14, 'good'],
    [13.9, 'note'],
    [-1, 'note'],
  ])('with %d days left: %s', (days, outcome) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 10, 30) })
    const validTo = Date.now() + days * 86_400_000
    const connections = new Map([['as.example.com', { protocol: 'TLSv1.3', validTo }]])
    expect(describeTls('https://as.example.com/t', connections, true).outcome).toBe(outcome)
    vi.useRealTimers()
  })

  it('is not examined on this machine without TLS, and where a `fetch` of another kind is used', () => {
    for (const url of ['http://127.0.0.1:4010', 'https://as.example.com'])
      expect(describeTls(url, new Map(), true).outcome).toBe('skipped')
  })

  it('is not examined without a connection', async () => {
    const fetch = async () => {
      throw Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } })
    }
    expect((await diagnose(['https://as.example.com'], { fetch })).of('tls')).toMatchObject({
      outcome: 'skipped',
      message: expect.stringContaining('no connection'),
    })
  })
})
