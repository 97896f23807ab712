import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type ReplayStore, toResponse } from '@telnyx-auth/core'
import { describe, expect, it, vi } from 'vitest'
import { MemoryReplayStore } from '../../packages/core/src/testing.js'
import { compileCore } from '../support/compiled-core.js'
import {
  boundToken,
  expectReason,
  makeDpopVerifier,
  proofFor,
  requestWith,
  sha256,
  thumbprint,
} from '../support/dpop.js'
import {
  ForgedIssuer,
  makeKey,
  makeUncheckedVerifier,
  NOW,
  rejectionOf,
  TestClock,
} from '../support/forge.js'

const PROBE = fileURLToPath(new URL('../support/replay-memory.mjs', import.meta.url))

/** O7, attacks 50 and 52: a proof is accepted once (RFC 9449 §11.1). */

const issuerKey = makeKey('ES256', 'issuer')
const issuer = new ForgedIssuer(issuerKey)
const client = makeKey('ES256', 'client')
const other = makeKey('ES256', 'other')
const token = boundToken(issuerKey, client)
const REPLAYED = ['ERR_DPOP_PROOF_REPLAYED', 'proof-replayed'] as const
const UNAVAILABLE = 'ERR_REPLAY_STORE_UNAVAILABLE'

/** A store that notes what it is asked. */
class NotingStore implements ReplayStore {
  readonly asked: [key: string, expiresInSeconds: number][] = []
  async add(key: string, expiresInSeconds: number): Promise<boolean> {
    this.asked.push([key, expiresInSeconds])
    return !this.asked.slice(0, -1).some(([each]) => each === key)
  }
}

function makeWorld(dpop: object = {}) {
  const clock = new TestClock()
  const verifier = makeDpopVerifier(issuer, { dpop: { mode: 'optional', ...dpop } }, clock)
  return { clock, verifier, send: (proof: string) => verifier.authenticate(requestWith(token, proof)) }
}

describe('O7: a proof is accepted once', () => {
  it('attack 50: one proof sent 1,000 times at once, cached token or not, is accepted exactly once', async () => {
    const { verifier, send } = makeWorld()
    for (let round = 0; round < 2; round++) {
      const proof = proofFor(client, token)
      const outcomes = await Promise.all(
        Array.from({ length: 1000 }, () =>
          send(proof).then(
            () => 'accepted',
            (error: unknown) => Object(error).code,
          ),
        ),
      )
      expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === REPLAYED[0])).toHaveLength(999)
    }
    expect(verifier.health().replayStore).toEqual({ entries: 2, maxEntries: 500_000 })
  })

  it('attack 50: nor with another spelling of its parts, which would be another proof', async () => {
    const { send } = makeWorld()
    const proof = proofFor(client, token, { claims: { jti: 'same' } })
    await send(proof)
    // Signed again, by the same key: the signature is another one, the jti is not.
    await expectReason(send(proofFor(client, token, { claims: { jti: 'same', iat: NOW + 1 } })), ...REPLAYED)
    await expectReason(send(proofFor(client, token, { claims: { jti: 'same', x: 1 } })), ...REPLAYED)
  })

  it('A: the same jti of another client, and another jti of the same one', async () => {
    const { verifier, send } = makeWorld()
    const claims = { jti: 'same' }
    await send(proofFor(client, token, { claims }))
    const ofOther = boundToken(issuerKey, other)
    const sent = verifier.authenticate(requestWith(ofOther, proofFor(other, ofOther, { claims })))
    expect((await sent).confirmation).toEqual({ jkt: thumbprint(other) })
    expect((await send(proofFor(client, token))).subject).toBe('user-1')
  })

  it.each([0, 60, 119, 119.999, 120])(
    'attack 50: again after %d s, the last of which is its end',
    async (seconds) => {
      const { clock, send } = makeWorld()
      const proof = proofFor(client, token, { claims: { iat: NOW + 60 } })
      await send(proof)
      clock.advance(seconds)
      await expectReason(send(proof), ...REPLAYED)
    },
  )

  it('attack 50: first used at its very end, and again at the same moment', async () => {
    const { clock, send } = makeWorld()
    const proof = proofFor(client, token)
    clock.advance(60)
    expect((await send(proof)).subject).toBe('user-1')
    await expectReason(send(proof), ...REPLAYED)
    clock.advance(0.001)
    await expectReason(send(proof), 'ERR_DPOP_PROOF_INVALID', 'proof-age')
  })

  it('a wall clock that is set back by some seconds forgets nothing', async () => {
    const { clock, send } = makeWorld()
    const proof = proofFor(client, token)
    await send(proof)
    clock.advance(63)
    clock.advanceWall(-4)
    await expectReason(send(proof), ...REPLAYED)
  })

  it('a machine of the fleet whose clock is some seconds behind', async () => {
    const clock = new TestClock()
    const replayStore = new MemoryReplayStore(clock)
    const late = new TestClock()
    late.advanceWall(-4)
    const dpop = { mode: 'optional', replayStore } as const
    const [first, second] = [clock, late].map((each) => makeDpopVerifier(issuer, { dpop }, each))
    const proof = proofFor(client, token)
    await first?.authenticate(requestWith(token, proof))
    clock.advance(63)
    late.advance(63)
    await expectReason(second?.authenticate(requestWith(token, proof)) ?? Promise.resolve(), ...REPLAYED)
  })

  it('A: another API, whose URL is not in it, refuses it, and uses nothing up', async () => {
    const { verifier } = makeWorld()
    const elsewhere = makeDpopVerifier(issuer, { baseUrl: 'https://other.example' })
    const proof = proofFor(client, token)
    await expectReason(
      elsewhere.authenticate(requestWith(token, proof)),
      'ERR_DPOP_PROOF_INVALID',
      'proof-url',
    )
    expect((await verifier.authenticate(requestWith(token, proof))).subject).toBe('user-1')
  })
})

describe('O7: what the store is asked', () => {
  it('a digest of thumbprint and jti, with a time that is never 0', async () => {
    const replayStore = new NotingStore()
    const { clock, send } = makeWorld({ replayStore })
    await send(proofFor(client, token, { claims: { jti: 'what a caller wrote' } }))
    clock.advance(60)
    await send(proofFor(client, token, { claims: { jti: 'b', iat: NOW } }))
    await send(proofFor(client, token, { claims: { jti: 'c', iat: NOW + 120 } }))
    expect(replayStore.asked.map(([key]) => key)).toEqual(
      ['what a caller wrote', 'b', 'c'].map((jti) => sha256(`${thumbprint(client)}.${jti}`)),
    )
    const [first = 0, atItsEnd = 0, ofTheFuture = 0] = replayStore.asked.map(([, seconds]) => seconds)
    expect(first).toBeGreaterThan(60)
    expect(atItsEnd).toBeGreaterThan(0)
    expect(ofTheFuture).toBeGreaterThan(120)
    expect(ofTheFuture).toBeLessThan(140)
  })

  it('nothing about a proof that is bad, a token that is, or that is too old: no stranger can fill it', async () => {
    const replayStore = new NotingStore()
    const { verifier, send } = makeWorld({ replayStore, nonce: { secrets: ['s'.repeat(32)] } })
    const bad = [
      { signer: other },
      { claims: { ath: 'x' } },
      { claims: { htm: 'POST' } },
      { claims: { htu: 'https://api.example.com/' } },
      { claims: { iat: 0 } },
      { claims: { jti: '' } },
      { claims: { nonce: 'x' } },
      { header: { typ: 'JWT' } },
      {},
    ]
    for (const parts of bad) await rejectionOf(send(proofFor(client, token, parts)))
    await rejectionOf(send(proofFor(other, token)))
    const expired = boundToken(issuerKey, client, { exp: NOW - 60 })
    await rejectionOf(verifier.authenticate(requestWith(expired, proofFor(client, expired))))
    const forged = boundToken(other, client)
    await rejectionOf(verifier.authenticate(requestWith(forged, proofFor(client, forged))))
    expect(replayStore.asked).toEqual([])
  })

  it.each<[string, () => unknown, string | undefined]>([
    ['rejects', () => Promise.reject(new Error('down')), UNAVAILABLE],
    [
      'throws',
      () => {
        throw new Error('down')
      },
      UNAVAILABLE,
    ],
    ['rejects with undefined', () => Promise.reject(), UNAVAILABLE],
    ['answers undefined', async () => undefined, UNAVAILABLE],
    ['answers 1', async () => 1, UNAVAILABLE],
    ['answers "true"', async () => 'true', UNAVAILABLE],
    ['answers "OK"', async () => 'OK', UNAVAILABLE],
    ['answers null', async () => null, UNAVAILABLE],
    ['answers new Boolean(true)', async () => new Boolean(true), UNAVAILABLE],
    ['answers 0', async () => 0, UNAVAILABLE],
    ['answers false', async () => false, REPLAYED[0]],
    ['A: answers true', async () => true, undefined],
    ['A: answers true at once', () => true, undefined],
  ])('a store that %s', async (_, add, code) => {
    const dpop = { mode: 'optional', replayStore: { add } }
    const verifier = makeUncheckedVerifier({
      issuer: 'https://issuer.example',
      audience: 'https://api.example.com',
      fetch: issuer.fetch,
      dpop,
    })
    const sent = verifier.authenticate(requestWith(token, proofFor(client, token)))
    if (code === undefined) {
      expect((await sent).subject).toBe('user-1')
      return
    }
    const error = await rejectionOf(sent)
    expect(error.code).toBe(code)
    const { status, headers } = toResponse(error)
    expect(status).toBe(code === UNAVAILABLE ? 503 : 401)
    if (code === UNAVAILABLE) expect(headers['Retry-After']).toBe('5')
    expect(verifier.health().replayStore).toBeUndefined()
  })

  it('a method "add" of a class keeps its object', async () => {
    const replayStore = new NotingStore()
    await makeWorld({ replayStore }).send(proofFor(client, token))
    expect(replayStore.asked).toHaveLength(1)
  })
})

describe('attack 52: the store in memory', () => {
  it('is bounded; when it is full, new proofs are refused and nothing is forgotten', async () => {
    const clock = new TestClock()
    const store = new MemoryReplayStore(clock, 3)
    for (const key of ['a', 'b', 'c']) expect(await store.add(key, 60)).toBe(true)
    for (const key of ['d', 'e']) await expect(store.add(key, 60)).rejects.toThrow('full')
    for (const key of ['a', 'b', 'c']) expect(await store.add(key, 60)).toBe(false)
    expect(store.health).toEqual({ entries: 3, maxEntries: 3 })
    clock.advance(60.001)
    expect(await store.add('d', 60)).toBe(true)
    expect(store.health.entries).toBe(1)
  })

  it('a full store answers 503, with its reason', async () => {
    const replayStore = new MemoryReplayStore(new TestClock(), 1)
    const { send } = makeWorld({ replayStore })
    const first = proofFor(client, token)
    await send(first)
    const error = await rejectionOf(send(proofFor(client, token)))
    expect([error.code, error.reason, toResponse(error).status]).toEqual([
      UNAVAILABLE,
      'replay-store-full',
      503,
    ])
    await expectReason(send(first), ...REPLAYED)
  })

  it('makes room for new proofs behind one that ends late', async () => {
    const clock = new TestClock()
    const store = new MemoryReplayStore(clock, 3)
    await store.add('late', 120)
    await store.add('b', 10)
    await store.add('c', 10)
    // Entries are removed by slots of 30 seconds.
    clock.advance(10 + 30)
    expect(await store.add('d', 10)).toBe(true)
    expect(await store.add('late', 120)).toBe(false)
    expect(store.health.entries).toBe(2)
  })

  it('with a broken clock forgets nothing, and works again after it', async () => {
    const clock = new TestClock()
    const { monotonic } = clock
    const store = new MemoryReplayStore(clock, 5)
    await store.add('a', 60)
    clock.monotonic = () => Number.NaN
    clock.advance(100)
    expect(await store.add('a', 60)).toBe(false)
    await store.add('broken', 60).catch(() => undefined)
    clock.monotonic = monotonic
    clock.advance(300)
    for (const key of ['c', 'd', 'e', 'f', 'g', 'h']) {
      expect(await store.add(key, 1)).toBe(true)
      clock.advance(31)
    }
    expect(store.health.entries).toBeLessThan(3)
  })

  it('a time that is no number, or not above 0, is no way to use a proof twice', async () => {
    const store = new MemoryReplayStore(new TestClock())
    for (const seconds of [Number.NaN, Number.POSITIVE_INFINITY]) {
      await store.add(`x${seconds}`, seconds).catch(() => undefined)
      expect(await store.add(`x${seconds}`, seconds).catch(() => false)).toBe(false)
    }
  })

  it('takes no longer when many proofs have expired: none of them is passed again', async () => {
    const clock = new TestClock()
    const store = new MemoryReplayStore(clock)
    const has = vi.spyOn(Set.prototype, 'has')
    for (let second = 0; second < 600; second++) {
      for (let n = 0; n < 20; n++) await store.add(`${second}-${n}`, 70)
      clock.advance(1)
    }
    // Each proof is looked for in the slots that are not over: 70 seconds are four at most.
    expect(has.mock.calls.length).toBeLessThanOrEqual(4 * 600 * 20)
    expect(store.health.entries).toBeLessThanOrEqual((70 + 30) * 20)
  })

  it('100,000 live proofs take at most 25 MB, and give it back', async () => {
    const argv = ['--expose-gc', '--single-threaded', PROBE, await compileCore(), '100000']
    const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 50_000 })
    const { retained, entries, afterwards, left }: Record<string, number> = JSON.parse(stdout)
    console.log(`${((retained ?? 0) / 1e6).toFixed(1)} MB for ${entries} proofs`)
    expect(entries).toBe(100_000)
    expect(retained).toBeLessThan(25e6)
    // Positive control: something was measured.
    expect(retained).toBeGreaterThan(5e6)
    expect(afterwards).toBe(1)
    expect(left).toBeLessThan(2e6)
  })
})
