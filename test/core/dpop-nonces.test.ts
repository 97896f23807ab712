import { toResponse } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { DpopNonces } from '../../packages/core/src/testing.js'
import {
  BASE_URL,
  boundToken,
  expectReason,
  makeDpopVerifier,
  proofFor,
  requestWith,
} from '../support/dpop.js'
import { ForgedIssuer, makeKey, NOW, rejectionOf, TestClock } from '../support/forge.js'

/** O3, O6, O8: nonces of this API (RFC 9449 §8, §9; check 10 of §4.3). */

const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const other = makeKey('ES256', 'other')
const token = boundToken(issuerKey, client)
const SECRET = 'the first secret, of 32 characters or more'
const OLD_SECRET = 'an old secret, also of 32 characters or more'
const CODE = 'ERR_DPOP_NONCE_REQUIRED'

function makeWorld(secrets: readonly [string, ...string[]] = [SECRET], options: object = {}) {
  const clock = new TestClock()
  const dpop = { mode: 'required', nonce: { secrets } } as const
  const verifier = makeDpopVerifier(issuer, { dpop, ...options }, clock)
  const send = (nonce: unknown, claims: object = {}) =>
    verifier.authenticate(
      requestWith(token, proofFor(client, token, { claims: { nonce, iat: clock.now(), ...claims } })),
    )
  /** The nonce that an answer hands out. */
  const ask = async () => toResponse(await rejectionOf(send(undefined))).headers['DPoP-Nonce'] ?? ''
  return { clock, verifier, send, ask }
}

describe('O3: a nonce is demanded', () => {
  it('the answer names it, with the error use_dpop_nonce; with it, the proof is accepted', async () => {
    const { send, ask } = makeWorld()
    const { status, headers, body } = toResponse(await rejectionOf(send(undefined)))
    expect(status).toBe(401)
    expect(headers['WWW-Authenticate']).toMatch(/^DPoP realm="api", error="use_dpop_nonce", /)
    expect(headers['WWW-Authenticate']).not.toContain('Bearer')
    expect(body.error).toBe('use_dpop_nonce')
    expect(headers['DPoP-Nonce']).toMatch(/^[\w-]{43}$/)
    expect((await send(await ask())).subject).toBe('user-1')
  })

  it('missing and wrong ones have their reasons; the new nonce is in each answer', async () => {
    const { send, ask } = makeWorld()
    await expectReason(send(undefined), CODE, 'proof-nonce-missing', [token])
    const wrong = [
      '',
      'x',
      5,
      null,
      true,
      [await ask()],
      {},
      `${await ask()}A`,
      (await ask()).slice(1),
      'é'.repeat(43),
    ]
    for (const nonce of wrong) {
      const error = await rejectionOf(send(nonce))
      expect([error.code, error.reason], String(nonce)).toEqual([CODE, 'proof-nonce-invalid'])
      expect(toResponse(error).headers['DPoP-Nonce']).toBe(await ask())
    }
  })

  it('no bit of it can be changed', async () => {
    const { send, ask } = makeWorld()
    const nonce = await ask()
    for (let bit = 0; bit < 256; bit += 5) {
      const bytes = Buffer.from(nonce, 'base64url')
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      await expectReason(send(bytes.toString('base64url')), CODE, 'proof-nonce-invalid')
    }
    expect((await send(nonce)).subject).toBe('user-1')
  })

  it('only an otherwise good proof gets one: strangers are told nothing', async () => {
    const { verifier } = makeWorld()
    for (const parts of [{ signer: other }, { claims: { ath: 'x' } }, { claims: { iat: 0 } }]) {
      const error = await rejectionOf(
        verifier.authenticate(requestWith(token, proofFor(client, token, parts))),
      )
      expect(error.code).toBe('ERR_DPOP_PROOF_INVALID')
      expect(toResponse(error).headers['DPoP-Nonce']).toBeUndefined()
    }
  })

  it('a refused nonce uses no proof up, and a good one does', async () => {
    const { verifier, send, ask } = makeWorld()
    await expectReason(send(undefined, { jti: 'same' }), CODE, 'proof-nonce-missing')
    expect(verifier.health().replayStore?.entries).toBe(0)
    expect((await send(await ask(), { jti: 'same' })).subject).toBe('user-1')
    await expectReason(send(await ask(), { jti: 'same' }), 'ERR_DPOP_PROOF_REPLAYED', 'proof-replayed')
  })

  it('A: without the option, a nonce in a proof is ignored, and none is handed out', async () => {
    const verifier = makeDpopVerifier(issuer)
    const proof = proofFor(client, token, { claims: { nonce: 'of another API' } })
    expect((await verifier.authenticate(requestWith(token, proof))).subject).toBe('user-1')
    const error = await rejectionOf(verifier.authenticate(requestWith(token, proof)))
    expect(toResponse(error).headers['DPoP-Nonce']).toBeUndefined()
  })
})

describe('O8: nonces end', () => {
  it('the slot of now and the one before are accepted, an older one and the next one are not', async () => {
    const { clock, send, ask } = makeWorld()
    const first = await ask()
    clock.advance(119.999)
    expect(await ask()).toBe(first)
    clock.advance(0.001)
    expect(await ask()).not.toBe(first)
    expect((await send(first)).subject).toBe('user-1')
    clock.advance(119.999)
    expect((await send(first)).subject).toBe('user-1')
    clock.advance(0.001)
    await expectReason(send(first), CODE, 'proof-nonce-invalid')
    expect((await send(await ask())).subject).toBe('user-1')
    const future = await ask()
    clock.advanceWall(-120)
    await expectReason(send(future), CODE, 'proof-nonce-invalid')
  })

  it('a machine whose clock is ten seconds ahead has good ones, and one further ahead has not', () => {
    const nonces = new DpopNonces([SECRET], BASE_URL)
    const end = Math.ceil(NOW / 120) * 120
    const next = nonces.current(end)
    expect(nonces.check(next, end - 10)).toBe('current')
    expect(nonces.check(next, end - 10.001)).toBe('refused')
  })

  it('§8.2: the client should change the nonce of the slot before, and that of a secret that no longer signs', () => {
    const nonces = new DpopNonces([SECRET, OLD_SECRET], BASE_URL)
    const old = new DpopNonces([OLD_SECRET], BASE_URL)
    const ahead = Math.ceil(NOW / 120) * 120 - 1
    for (const now of [NOW, ahead]) {
      expect(nonces.check(nonces.current(now), now)).toBe('current')
      expect(nonces.check(nonces.current(now - 120), now)).toBe('outgoing')
      expect(nonces.check(nonces.current(now - 240), now)).toBe('refused')
      for (const slot of [now, now - 120]) expect(nonces.check(old.current(slot), now)).toBe('outgoing')
      expect(nonces.check(old.current(now - 240), now)).toBe('refused')
    }
    expect(nonces.check(old.current(ahead + 1), ahead)).toBe('outgoing')
  })

  it('a clock that is broken makes no nonce valid', () => {
    const nonces = new DpopNonces([SECRET], BASE_URL)
    for (const now of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      expect(nonces.check(nonces.current(now), now)).toBe('refused')
    expect(nonces.check(nonces.current(NOW), NOW)).toBe('current')
  })
})

describe('O8: only this API can make them', () => {
  it('machines with the same secrets accept those of each other; with other secrets, they do not', async () => {
    const nonce = await makeWorld().ask()
    expect((await makeWorld().send(nonce)).subject).toBe('user-1')
    await expectReason(makeWorld([OLD_SECRET]).send(nonce), CODE, 'proof-nonce-invalid')
  })

  it('secrets are rotated: the first one signs, all are accepted', async () => {
    const old = await makeWorld([OLD_SECRET]).ask()
    const rotated = makeWorld([SECRET, OLD_SECRET])
    expect((await rotated.send(old)).subject).toBe('user-1')
    expect(await rotated.ask()).toBe(await makeWorld([SECRET]).ask())
    await expectReason(makeWorld([SECRET]).send(old), CODE, 'proof-nonce-invalid')
    // A machine that has the new secret second accepts what the others make.
    expect((await makeWorld([OLD_SECRET, SECRET]).send(await rotated.ask())).subject).toBe('user-1')
  })

  it('an API with another URL and the same secrets has others', async () => {
    const elsewhere = makeWorld([SECRET], { baseUrl: 'https://other.example' })
    const nonce = await makeWorld().ask()
    const htu = 'https://other.example/messages'
    await expectReason(elsewhere.send(nonce, { htu }), CODE, 'proof-nonce-invalid')
    const { send } = elsewhere
    const own = toResponse(await rejectionOf(send(undefined, { htu }))).headers['DPoP-Nonce']
    expect(own).not.toBe(nonce)
    expect((await send(own, { htu })).subject).toBe('user-1')
  })

  it('two spellings of one URL are one API', async () => {
    const nonce = await makeWorld([SECRET], { baseUrl: 'https://api.example.com' }).ask()
    for (const baseUrl of ['https://api.example.com/', 'https://API.example.com:443'])
      expect((await makeWorld([SECRET], { baseUrl }).send(nonce)).subject).toBe('user-1')
  })

  it('the option does not change with its object', async () => {
    const secrets: [string, ...string[]] = [SECRET]
    const { send } = makeWorld(secrets)
    secrets[0] = OLD_SECRET
    secrets.push(OLD_SECRET)
    await expectReason(send(new DpopNonces([OLD_SECRET], BASE_URL).current(NOW)), CODE, 'proof-nonce-invalid')
    expect((await send(new DpopNonces([SECRET], BASE_URL).current(NOW))).subject).toBe('user-1')
  })

  it('nonces are all different, and none contains a part of the secret, the time or the URL', () => {
    const nonces = new DpopNonces([SECRET], BASE_URL)
    const made = Array.from({ length: 1000 }, (_, slot) => nonces.current(NOW + slot * 120))
    expect(new Set(made).size).toBe(1000)
    for (const nonce of made)
      expect(Buffer.from(nonce, 'base64url').toString('latin1')).not.toMatch(/DPoP|api|secret/)
  })
})
