import { toResponse } from '@telnyx-auth/core'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { forge, goodClaims, goodHeader, makeKey, makeVerifier, rejectionOf } from '../support/forge.js'

beforeEach(forgetWarnings)

/** health(), the reason and a process warning tell why discovery failed. */

const key = makeKey('ES256', 'good')
let counter = 0

/** Each test has its own issuer, because each issuer is warned of once. */
function createWorld(answer: (issuer: string) => Response | Promise<Response>, path = '') {
  const issuer = `https://issuer-${counter++}.example${path}`
  const fetch = async (url: string): Promise<Response> =>
    url.includes('/.well-known/') ? answer(issuer) : Response.json({ keys: [key.jwk] })
  const verifier = makeVerifier({ fetch }, { issuer, retries: 0 })
  const verify = () => verifier.verify(forge(goodHeader(key), goodClaims({ iss: issuer }), key))
  return { issuer, verifier, verify }
}

const document = (members: object) => Response.json({ jwks_uri: 'https://issuer.example/jwks', ...members })

describe('the cause of a failed discovery', () => {
  it.each([
    ['unreachable', () => Promise.reject(new TypeError('fetch failed')), 'network', 'network'],
    ['a status', () => new Response(null, { status: 500 }), 'status', 'status'],
    ['HTML', () => new Response('<html>'), 'invalid-document', 'invalid-document'],
    ['an array', () => Response.json([]), 'invalid-document', 'invalid-document'],
    ['no issuer', () => document({}), 'invalid-document', 'invalid-document'],
    ['404 at both places', () => new Response(null, { status: 404 }), 'status', 'no-metadata'],
    [
      'another issuer',
      () => document({ issuer: 'https://other.example' }),
      'issuer-mismatch',
      'issuer-mismatch',
    ],
    [
      'a slash more',
      (issuer: string) => document({ issuer: `${issuer}/` }),
      'issuer-trailing-slash',
      'issuer-trailing-slash',
    ],
    ['no jwks_uri', (issuer: string) => Response.json({ issuer }), 'jwks-uri-missing', 'jwks-uri-missing'],
    [
      'an insecure jwks_uri',
      (issuer: string) => Response.json({ issuer, jwks_uri: 'http://issuer.example/jwks' }),
      'jwks-uri-insecure',
      'jwks-uri-insecure',
    ],
  ])('D2, D3, D4: %s', async (_, answer, reason, errorReason) => {
    const { verifier, verify } = createWorld(answer)
    const error = await rejectionOf(verify())
    expect(error).toMatchObject({ code: 'ERR_DISCOVERY_FAILED', status: 503, reason: errorReason })
    expect(error.hint).toEqual(expect.any(String))
    expect(error.cause).toMatchObject({ reason })
    expect(verifier.health().lastFailure).toMatchObject({ reason })
    // The caller gets one fixed sentence, which is true for all causes.
    expect(toResponse(error).body).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'The authorization server cannot be discovered',
      code: 'ERR_DISCOVERY_FAILED',
    })
  })

  it('A: a good document has none', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const { verifier, verify } = createWorld((issuer) => document({ issuer }))
    await verify()
    expect(verifier.health()).not.toHaveProperty('lastFailure')
    expect(warn).not.toHaveBeenCalled()
  })

  it('D2: a mismatch quotes both names', async () => {
    const { issuer, verifier, verify } = createWorld(() => document({ issuer: 'https://other.example/t' }))
    await rejectionOf(verify())
    const { message } = verifier.health().lastFailure ?? expect.fail('No failure is told')
    expect(message).toContain(`"${issuer}"`)
    expect(message).toContain('"https://other.example/t"')
  })

  it.each([
    ['slash more', '', '/'],
    ['slash less', '/', ''],
    ['slash more after a path', '/tenant', '/'],
  ])('D2: a %s says so', async (_, own, others) => {
    const base = (issuer: string) => (own === '/' ? issuer.slice(0, -1) : issuer)
    const { verifier, verify } = createWorld(
      (issuer) => document({ issuer: `${base(issuer)}${others}` }),
      own,
    )
    expect(await rejectionOf(verify())).toMatchObject({ reason: 'issuer-trailing-slash' })
    expect(verifier.health().lastFailure?.message).toMatch(/slash at the end/)
  })

  it.each([
    ['control characters', 'https://other.example/\u0000\u001b[31m\r\nX: y'],
    ['letters beyond ASCII', 'https://öther.example/\u202e\u2028'],
    ['a long one', `https://other.example/${'x'.repeat(100_000)}`],
  ])('a quoted name is printable ASCII, and short: %s', async (_, name) => {
    const { verifier, verify } = createWorld(() => document({ issuer: name }))
    await rejectionOf(verify())
    const { message } = verifier.health().lastFailure ?? expect.fail('No failure is told')
    expect(message).toMatch(/^[\x20-\x7e]*$/)
    expect(message.length).toBeLessThan(500)
    expect(message).toContain('other.example'.slice(1))
  })
})

describe('process warnings', () => {
  it.each([
    ['404 at both places', () => new Response(null, { status: 404 }), 'ERR_DISCOVERY_FAILED'],
    ['another issuer', () => document({ issuer: 'https://other.example' }), 'ERR_DISCOVERY_FAILED'],
    ['a slash more', (issuer: string) => document({ issuer: `${issuer}/` }), 'ERR_DISCOVERY_FAILED'],
    ['no jwks_uri', (issuer: string) => Response.json({ issuer }), 'ERR_DISCOVERY_FAILED'],
    [
      'an insecure jwks_uri',
      (issuer: string) => Response.json({ issuer, jwks_uri: 'http://issuer.example/jwks' }),
      'ERR_DISCOVERY_FAILED',
    ],
  ])('one for a failure that an operator must repair: %s', async (_, answer, code) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const { issuer, verify } = createWorld(answer)
    for (let n = 0; n < 3; n++) await rejectionOf(verify())
    expect(warn.mock.calls).toEqual([[expect.stringContaining(issuer), { type: 'TelnyxAuthWarning', code }]])
  })

  it('one for a set without a usable key', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const issuer = `https://issuer-${counter++}.example`
    const fetch = async (): Promise<Response> => Response.json({ keys: [{ ...key.jwk, use: 'enc' }] })
    const verifier = makeVerifier({ fetch }, { issuer, jwksUri: `${issuer}/jwks` })
    await rejectionOf(verifier.preload())
    expect(warn.mock.calls).toEqual([
      [
        expect.stringContaining('"use" is not "sig"'),
        { type: 'TelnyxAuthWarning', code: 'ERR_KEYS_UNAVAILABLE' },
      ],
    ])
  })

  it.each([
    ['unreachable', () => Promise.reject(new TypeError('fetch failed'))],
    ['a status', () => new Response(null, { status: 500 })],
    ['HTML', () => new Response('<html>')],
  ])('A: none for a transient failure: %s', async (_, answer) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const { verify } = createWorld(answer)
    await rejectionOf(verify())
    expect(warn).not.toHaveBeenCalled()
  })
})
