import { createAuthenticator, getAuth } from '@telnyx-auth/core/adapter'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DpopNonces } from '../../packages/core/src/testing.js'
import { BASE_URL, boundToken, makeDpopVerifier, proofFor, requestWith } from '../support/dpop.js'
import { ForgedIssuer, makeKey, NOW, TestClock } from '../support/forge.js'
import { handleFor } from '../support/request-handle.js'

/** RFC 9449 §8.2: the next nonce, which comes with a success. Handing it out must not change the decision. */

const SECRET = 'a secret of this API, of 32 characters or more'
const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const token = boundToken(issuerKey, client)
const nonces = new DpopNonces([SECRET], BASE_URL)

/** Authenticates a request whose nonce is of the slot before. */
async function authenticate(more: object) {
  const dpop = { mode: 'required', nonce: { secrets: [SECRET] } } as const
  const authenticator = createAuthenticator({ verifier: makeDpopVerifier(issuer, { dpop }, new TestClock()) })
  const proof = proofFor(client, token, { claims: { nonce: nonces.current(NOW - 120) } })
  const key = {}
  const answer = await authenticator.authenticate({ ...handleFor(key), ...more }, requestWith(token, proof))
  return { answer, subject: getAuth(key).subject }
}

const ACCEPTED = { answer: undefined, subject: 'user-1' }

describe('the decision does not depend on the header', () => {
  it('A: it is set once, to the nonce of now', async () => {
    const headers: string[][] = []
    const setHeader = (...header: string[]) => headers.push(header)
    expect(await authenticate({ setHeader })).toEqual(ACCEPTED)
    expect(headers).toEqual([['DPoP-Nonce', nonces.current(NOW)]])
  })

  it('where it cannot be set, because the response has begun', async () => {
    const setHeader = () => {
      throw new Error('ERR_HTTP_HEADERS_SENT')
    }
    expect(await authenticate({ setHeader })).toEqual(ACCEPTED)
  })

  it.each([
    ['a function', () => expect.fail('was called')],
    ['a text', 'polluted'],
  ])('attack 46: an adapter without setHeader inherits none: %s', async (_, value) => {
    Object.defineProperty(Object.prototype, 'setHeader', { value, configurable: true })
    onTestFinished(() => {
      Reflect.deleteProperty(Object.prototype, 'setHeader')
    })
    expect(await authenticate({})).toEqual(ACCEPTED)
  })
})

it('O8: a nonce has one spelling', () => {
  const nonce = nonces.current(NOW)
  const last = nonce.slice(-1)
  // Two bits of the last character belong to no byte.
  const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].filter(
    (each) => each !== last,
  )
  const spellings = [
    ...others.map((each) => nonce.slice(0, -1) + each),
    `${nonce}=`,
    `${nonce} `,
    ` ${nonce}`,
    `${nonce}\n`,
    `${nonce.slice(0, 20)}!${nonce.slice(20)}`,
    nonce.replaceAll('-', '+').replaceAll('_', '/').replace(/^/, '.'),
    `${nonce}\u0000`,
  ]
  expect(spellings.filter((each) => nonces.check(each, NOW) !== 'refused')).toEqual([])
  expect(nonces.check(nonce, NOW)).toBe('current')
})
