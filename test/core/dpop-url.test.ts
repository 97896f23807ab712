import { describe, expect, it } from 'vitest'
import { type AuthenticatableRequest, normalizedUrl } from '../../packages/core/src/testing.js'
import {
  BASE_URL,
  boundToken,
  expectReason,
  makeDpopVerifier,
  proofFor,
  requestWith,
} from '../support/dpop.js'
import { ForgedIssuer, makeKey } from '../support/forge.js'
import { scale } from '../support/scale.js'

/** O2: checks 8 and 9 of RFC 9449 §4.3, and the normal form of URLs (RFC 3986 §6.2), for URLs made to confuse parsers. */

const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const token = boundToken(issuerKey, client)
const verifier = makeDpopVerifier(issuer)
const INVALID = 'ERR_DPOP_PROOF_INVALID'

const send = (proof?: string, parts: object = {}) => verifier.authenticate(requestWith(token, proof, parts))
const refused = (proof: string, reason: string) => expectReason(send(proof), INVALID, reason, [token, proof])

describe('O2: check 8, htm', () => {
  it.each(['POST', 'get', 'GET ', '', 'HEAD', null, undefined, ['GET']])('%j for GET', (htm) =>
    refused(proofFor(client, token, { claims: { htm } }), 'proof-method'),
  )
  it('a proof for GET does not fit HEAD, OPTIONS or a request without a method', async () => {
    for (const method of ['HEAD', 'OPTIONS', 'get', ''])
      await expectReason(send(proofFor(client, token), { method }), INVALID, 'proof-method')
    const { method: _, ...request }: AuthenticatableRequest = requestWith(
      token,
      proofFor(client, token, { claims: { htm: undefined } }),
    )
    await expectReason(verifier.authenticate(request), INVALID, 'proof-method')
  })
  it.each(['HEAD', 'OPTIONS', 'POST', 'PROPFIND'])('A: %s, with its own proof', async (method) => {
    expect((await send(proofFor(client, token, { claims: { htm: method } }), { method })).subject).toBe(
      'user-1',
    )
  })
})

describe('O2: check 9, htu', () => {
  it.each([
    'http://api.example.com/messages',
    'https://api.example.org/messages',
    'https://api.example.com.evil.example/messages',
    'https://api.example.com./messages',
    'https://api.example.com:8443/messages',
    'https://api.example.com/messages/',
    'https://api.example.com/Messages',
    'https://api.example.com//messages',
    'https://api.example.com/message',
    'https://api.example.com/messages%2F',
    'https://api.example.com/x/%2e%2e%2fmessages',
    'https://api.example.com/messages;a',
    'https://api.example.com',
    'https://user@api.example.com/messages',
    'https://user:password@api.example.com/messages',
    'https://api.example.com:443@evil.example/messages',
    'https://api.example.com\\messages',
    'https:\\\\api.example.com/messages',
    'https:/api.example.com/messages',
    'https:api.example.com/messages',
    '//api.example.com/messages',
    '/messages',
    'https://api.example.com/mess\tages',
    ' https://api.example.com/messages',
    'https://api.example.com/messages\n',
    'https://api。example.com/messages',
    'https://api.example.com/messäges',
    'https://api.example.com/x\\..\\messages',
    'wss://api.example.com/messages',
    'javascript:alert(1)',
    '?https://api.example.com/messages',
    '',
    null,
    undefined,
    5,
    ['https://api.example.com/messages'],
  ])('%j', (htu) => refused(proofFor(client, token, { claims: { htu } }), 'proof-url'))

  it.each([
    'https://api.example.com/messages',
    'HTTPS://API.Example.COM/messages',
    'https://api.example.com:443/messages',
    'https://api.example.com/%6Dess%61ges',
    'https://api.example.com/x/../messages',
    'https://api.example.com/./messages',
    'https://api.example.com/messages?page=1',
    'https://api.example.com/messages#top',
    'https://api.example.com/messages?//user@x\\y',
  ])('A: %s is the same URL (RFC 3986 §6.2)', async (htu) => {
    expect((await send(proofFor(client, token, { claims: { htu } }))).subject).toBe('user-1')
  })

  it.each(['/messages?page=2', 'http://other.example/messages', '/messages#x', 'HTTPS://x:1/messages?/y'])(
    'A: the target %s is /messages, below the URL of this API',
    async (url) => {
      expect((await send(proofFor(client, token), { url })).subject).toBe('user-1')
    },
  )
  it.each([
    '*',
    '',
    'api.example.com:443',
    'messages',
    '?x',
    '//messages',
    '/x\\..\\messages',
    'http://x?/messages',
  ])('the target %j is not', (url) =>
    expectReason(send(proofFor(client, token), { url }), INVALID, 'proof-url'),
  )
  it.each(['/x/../messages', '/x/%2e%2e/messages', '/x/.%2E/messages', '/./messages', '/%2e/messages'])(
    'the target %s, which routers take for another path, has no proof',
    async (url) => {
      await expectReason(send(proofFor(client, token), { url }), INVALID, 'proof-url')
      const htu = `${BASE_URL}${url}`
      await expectReason(send(proofFor(client, token, { claims: { htu } }), { url }), INVALID, 'proof-url')
    },
  )
})

const PIECES: readonly string[] = [
  'https:',
  'HTTPS:',
  'http:',
  'wss:',
  '/',
  '//',
  '///',
  '\\',
  'api.example.com',
  'evil.example',
  'API',
  '.',
  '..',
  '@',
  ':',
  ':443',
  ':80',
  ':0443',
  'user',
  '?',
  '#',
  '%2e',
  '%2E%2e',
  '%2f',
  '%5c',
  '%40',
  '%61',
  '%7e',
  '%zz',
  '%',
  '%25',
  '%2561',
  'a',
  '~',
  ';',
  '[::1]',
  '0x7f.1',
  '127.1',
  '\t',
  '\n',
  '\r',
  ' ',
  '\u0000',
  'é',
  '\u3002',
  '\uff0f',
  '\u2044',
  '|',
  '^',
  '"',
  '<',
  '{',
  '&',
  '=',
  ',',
  '*',
  'x'.repeat(50),
]

/** The same in each run. */
function* randomTexts(count: number): Generator<string> {
  let state = 1
  const next = (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
  const starts = [
    '',
    'https://api.example.com/',
    'https://api.example.com',
    'https://',
    'http://api.example.com',
  ]
  for (let index = 0; index < count; index++) {
    const pieces = Array.from({ length: next(9) }, () => PIECES[next(PIECES.length)])
    yield `${starts[index % starts.length]}${pieces.join('')}`
  }
}

describe('O2: normalizedUrl', () => {
  it('never throws, is stable, and agrees with the URL parser about the origin', () => {
    const wrong: string[] = []
    let accepted = 0
    for (const text of randomTexts(scale(20_000, 200_000))) {
      const normal = normalizedUrl(text)
      if (normal === undefined) continue
      accepted++
      const { origin, pathname, username, password, hash, search } = new URL(normal)
      const isGood =
        normalizedUrl(normal) === normal &&
        new URL(text).origin === origin &&
        normal.startsWith(`${origin}/`) &&
        /^[\x21-\x7e]+$/.test(normal) &&
        `${username}${password}${hash}${search}` === '' &&
        !/\/\.{1,2}(?:\/|$)/.test(pathname) &&
        !/%(?:2d|2e|5f|7e|3\d|[46][1-9a-f]|[57][0-9a])/i.test(normal)
      if (!isGood) wrong.push(`${JSON.stringify(text)}: ${normal}`)
    }
    expect(wrong).toEqual([])
    expect(accepted).toBeGreaterThan(1000)
  })

  it('what is percent-encoded wrongly is no URL: decoded, it would be another one', async () => {
    for (const path of ['/%%41A', '/%', '/%4', '/%zz', '/a%2'])
      expect(normalizedUrl(`${BASE_URL}${path}`)).toBeUndefined()
    const proof = proofFor(client, token, { claims: { htu: `${BASE_URL}/%AA` } })
    await expectReason(send(proof, { url: '/%%41A' }), INVALID, 'proof-url')
    expect((await send(proof, { url: '/%aa' })).subject).toBe('user-1')
  })
})
