import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import { isSecureUrl } from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import { codeOf, createPair } from '../support/outcome.js'

describe('D3: secure URLs', () => {
  it.each([
    'https://h',
    'https://h/a?b#c',
    'https://h:8443/',
    'http://localhost:3000/a',
    'http://127.0.0.1',
    'http://127.1.2.3:80/',
    'http://[::1]:1',
  ])('%j is secure', (url) => {
    expect(isSecureUrl(url)).toBe(true)
  })

  it.each([
    'http://h',
    'http://notlocalhost',
    'http://localhost.example',
    'http://x127.0.0.1',
    'http://127.0.0.1.example',
    'http://a[::1]',
    'http://[::1].example',
    'https://u@h',
    'https://u:p@h',
    'https://@h',
    'https://h\\x',
    'https://h\\@x',
    'https://h/a\\b',
    'https://h/a b',
    'https://h/a\tb',
    'https://h/a\n',
    'https://h/\u0000',
    'https://h/\u0085',
    'https://h\u007f',
    'https://h:99999',
    'https://[',
    'https:h',
    'https:///h',
    ' https://h',
    'ftp://h',
    '',
  ])('%j is not secure', (url) => {
    expect(isSecureUrl(url)).toBe(false)
  })
})

describe('attack 37: bodies', () => {
  /** Why discovery failed, with a metadata body of these pieces. */
  async function reasonFor(pieces: unknown[], headers = {}): Promise<string | undefined> {
    const rest = [...pieces]
    const reader = {
      read: async () => ({ done: rest.length === 0, value: rest.shift() }),
      cancel: async () => undefined,
    }
    const { verifier } = await createPair({
      verifier: {
        maxResponseBytes: 100,
        retries: 0,
        fetch: async () => ({
          status: 200,
          headers: new Headers(headers),
          body: { getReader: () => reader },
        }),
      },
    })
    expect(await codeOf(verifier.preload())).toBe('ERR_DISCOVERY_FAILED')
    return verifier.health().lastFailure?.reason
  }

  it('a body whose Content-Length is too large is not read', async () => {
    expect(await reasonFor([Buffer.from('!')], { 'content-length': '101' })).toBe('too-large')
    expect(await reasonFor([Buffer.from('!')], { 'content-length': '100' })).toBe('invalid-document')
  })

  it('a body without Content-Length is read up to the limit', async () => {
    expect(await reasonFor([Buffer.alloc(60), Buffer.alloc(40)])).toBe('invalid-document')
    expect(await reasonFor([Buffer.alloc(60), Buffer.alloc(41)])).toBe('too-large')
  })

  it('a body that is not made of bytes is a network failure', async () => {
    expect(await reasonFor(['{}'])).toBe('network')
  })
})

describe('lastFailure in health()', () => {
  it('is a metadata failure while the keys are still usable', async () => {
    const { clock, issuer, verifier } = await createPair()
    issuer.fault('jwks', { headers: { 'cache-control': 'max-age=86400' } })
    await verifier.preload()
    issuer.fault('metadata', { status: 500 })
    clock.advance(20 * 3600)
    // Using the keys refreshes them in the background, and with them the metadata.
    await verifier.verify(await issuer.issueToken())
    await settle()
    expect(verifier.health()).toMatchObject({ ready: true, stale: false, lastFailure: { reason: 'status' } })
  })

  it('is absent where another issuer is configured', async () => {
    const other = await createMockIssuer({ algorithm: 'ES256', issuer: 'https://id.example.com' })
    const { verifier } = await createPair({ verifier: { issuer: other.issuer, fetch: other.fetch } })
    await verifier.preload()
    expect(verifier.health()).toMatchObject({ issuer: 'https://id.example.com', ready: true })
  })
})
