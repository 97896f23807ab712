import nodeCrypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { availableParallelism } from 'node:os'
import { requireAuth, telnyxAuth } from '@telnyx-auth/express'
import { describe, expect, it } from 'vitest'
import { pendingInThreadPool, settle, turnOfEventLoop } from '../support/event-loop.js'
import { expectRefusal, ForgedIssuer, goodToken, makeKey, makeVerifier } from '../support/forge.js'

/** A token that is presented for the first time, with cached keys. */

const OTHER_RSA = { 'RS256, 3072 bits': 3072, 'RS256, 4096 bits': 4096 }
const cheap = {
  ...Object.fromEntries(['RS256', 'PS512', 'ES256', 'Ed25519'].map((name) => [name, makeKey(name)])),
  ...Object.fromEntries(
    Object.entries(OTHER_RSA).map(([name, modulusLength]) => [
      name,
      makeKey('RS256', name, { modulusLength }),
    ]),
  ),
}
const slow = { ES384: makeKey('ES384'), ES512: makeKey('ES512') }

describe.each(Object.entries({ ...cheap, ...slow }))('%s', (name, key) => {
  const isCheap = !(name in slow)

  it(`a new token is decided ${isCheap ? 'without a turn of the event loop' : 'in the thread pool'}`, async () => {
    const verifier = makeVerifier(new ForgedIssuer(key))
    await verifier.preload()
    await turnOfEventLoop()
    let outcome = 'pending'
    const verified = verifier.verify(goodToken(key)).then(() => {
      outcome = 'accepted'
    })
    expect(pendingInThreadPool()).toBe(isCheap ? 0 : 1)
    // Microtasks only.
    for (let step = 0; step < 10; step++) await undefined
    expect(outcome).toBe(isCheap ? 'accepted' : 'pending')
    await verified
    await expectRefusal(
      verifier.verify(goodToken(key).slice(0, -8) + 'A'.repeat(8)),
      'R',
      'ERR_SIGNATURE_INVALID',
    )
  })
})

it('an adapter calls the next handler before it returns', async () => {
  const key = makeKey('RS256')
  const verifier = makeVerifier(new ForgedIssuer(key))
  await verifier.preload()
  const request = Object.assign(Object.create(null), {
    headers: { authorization: `Bearer ${goodToken(key)}` },
    method: 'GET',
    url: '/',
  })
  const response = Object.create(null)
  const calls: string[] = []
  telnyxAuth({ verifier })(request, response, (error) => calls.push(`auth ${error}`))
  requireAuth()(request, response, (error) => calls.push(`guard ${error}`))
  expect(calls).toEqual(['auth undefined', 'guard undefined'])
})

describe('many new tokens in one turn', () => {
  const key = makeKey('ES256')
  const tokens = Array.from({ length: 40 }, (_, n) => goodToken(key, { jti: `jti-${n}` }))
  const bad = tokens.map((token) => `${token.slice(0, -8)}AAAAAAAA`)

  it('are checked by the event loop and the thread pool, with the right outcome each', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key), { algorithms: ['ES256'] })
    await verifier.preload()
    await turnOfEventLoop()
    const outcomes = Promise.allSettled([...tokens, ...bad].map((token) => verifier.verify(token)))
    const inPool = pendingInThreadPool()
    // 0.3 ms of work at 70 µs each are done at once.
    expect(inPool).toBe(80 - 4)
    const statuses = (await outcomes).map(({ status }) => status)
    expect(statuses).toEqual([...tokens.map(() => 'fulfilled'), ...bad.map(() => 'rejected')])
  })

  it('are all checked by the event loop, up to 4 ms of work, if one is presented after the other', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key), { algorithms: ['ES256'], cache: false })
    await verifier.preload()
    await turnOfEventLoop()
    let checked = 0
    for (const token of [...tokens, ...tokens]) {
      const verified = verifier.verify(token)
      if (pendingInThreadPool() > 0) break
      await verified
      checked++
    }
    expect(checked).toBe(57)
    await settle()
  })

  it('do not slow down those of the next turn', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key), { algorithms: ['ES256'], cache: false })
    await verifier.preload()
    await Promise.all(tokens.map((token) => verifier.verify(token)))
    await settle()
    const verified = verifier.verify(goodToken(key))
    expect(pendingInThreadPool()).toBe(0)
    await verified
  })

  it('are checked at once, also after the thread pool refused work', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key, slow.ES384), { cache: false })
    await verifier.preload()
    const { verify } = nodeCrypto
    const refuse = () => {
      throw new Error('This digest is not supported')
    }
    try {
      Object.assign(nodeCrypto, { verify: refuse })
      syncBuiltinESMExports()
      await expect(verifier.verify(goodToken(slow.ES384))).rejects.toThrow('This digest is not supported')
    } finally {
      Object.assign(nodeCrypto, { verify })
      syncBuiltinESMExports()
    }
    await turnOfEventLoop()
    const verified = Promise.all(tokens.slice(0, 4).map((token) => verifier.verify(token)))
    expect(pendingInThreadPool()).toBe(0)
    await verified
  })
})

describe('many tokens whose check takes long', () => {
  const key = slow.ES384
  const tokens = Array.from({ length: 20 }, (_, n) => goodToken(key, { jti: `jti-${n}` }))

  it('leave a thread of the pool to others, and are all decided', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key), { cache: false })
    await verifier.preload()
    await turnOfEventLoop()
    const outcomes: string[] = []
    const verified = tokens.map((token, n) =>
      verifier.verify(n === 7 ? `${token.slice(0, -8)}AAAAAAAA` : token).then(
        () => outcomes.push(`accepted ${n}`),
        () => outcomes.push(`refused ${n}`),
      ),
    )
    // Node has four threads by default.
    expect(pendingInThreadPool()).toBe(Math.min(availableParallelism() + 1, 3))
    await Promise.all(verified)
    expect(new Set(outcomes)).toEqual(
      new Set(tokens.map((_, n) => `${n === 7 ? 'refused' : 'accepted'} ${n}`)),
    )
  })

  it('are all decided, also when the thread pool refuses some of the work', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key), { cache: false })
    await verifier.preload()
    const { verify } = nodeCrypto
    let calls = 0
    const refuseSome = (...given: unknown[]) => {
      if (++calls % 2 === 0) throw new Error('No memory')
      return Reflect.apply(verify, nodeCrypto, given)
    }
    try {
      Object.assign(nodeCrypto, { verify: refuseSome })
      syncBuiltinESMExports()
      const statuses = (await Promise.allSettled(tokens.map((token) => verifier.verify(token)))).map(
        ({ status }) => status,
      )
      expect(statuses.filter((status) => status === 'fulfilled')).toHaveLength(10)
      expect(calls).toBe(20)
    } finally {
      Object.assign(nodeCrypto, { verify })
      syncBuiltinESMExports()
    }
  })
})
