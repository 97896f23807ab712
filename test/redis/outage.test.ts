import { randomUUID } from 'node:crypto'
import { createVerifier } from '@telnyx-auth/core'
import { createIntrospectionCache, createReplayStore } from '@telnyx-auth/redis'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { CLIENT_NAMES, redisPath } from '../support/redis.js'
import { scale } from '../support/scale.js'
import { AUDIENCE, closeIssuers, createHolder, type Holder } from './proofs.js'
import { useRedis } from './shared-server.js'

/** Long enough for a busy machine, where a server that works is asked. */
const PATIENT_MS = 10_000

describe.skipIf(redisPath === undefined)('an outage of Redis', () => {
  const shared = useRedis()
  closeIssuers()
  let holder: Holder
  beforeAll(async () => {
    holder = await createHolder()
  })
  beforeEach(() => {
    vi.spyOn(process, 'emitWarning').mockReturnValue()
  })

  /** Kills the server. It runs again when the test is over. */
  async function kill(): Promise<void> {
    await shared().server.kill()
    onTestFinished(startAgain)
  }

  async function startAgain(): Promise<void> {
    const { server, admin } = shared()
    if (!server.isRunning) await server.start()
    await vi.waitFor(() => admin.ping(), { timeout: PATIENT_MS })
  }

  function freeze(): void {
    shared().server.freeze()
    onTestFinished(() => shared().server.thaw())
  }

  // These wait for timeouts. iovalkey is a copy of ioredis, so the suite leaves it to a soak run.
  const names = CLIENT_NAMES.filter((name) => name !== 'iovalkey' || scale(0, 1) === 1)
  describe.each(names)('with %s', (name) => {
    it('O7: the server is killed: 503; it is started again: proofs are accepted, by the same process', async () => {
      const { client } = await shared().open(name)
      const verifier = createVerifier({
        issuer: holder.issuer,
        audience: AUDIENCE,
        dpop: { mode: 'required', replayStore: createReplayStore({ client, timeoutMs: 500 }) },
      })
      const send = async () => verifier.authenticate(holder.request(await holder.prove()))
      await send()
      await kill()
      const unavailable = expect.objectContaining({
        code: 'ERR_REPLAY_STORE_UNAVAILABLE',
        reason: 'replay-store-failed',
        retryAfterSeconds: expect.any(Number),
      })
      // More than the circuit breaker needs to open; then one that it refuses.
      await Promise.all(Array.from({ length: 8 }, () => expect(send()).rejects.toEqual(unavailable)))
      await expect(send()).rejects.toEqual(unavailable)
      await startAgain()
      await vi.waitFor(send, { timeout: PATIENT_MS })
      const proof = await holder.prove()
      await verifier.authenticate(holder.request(proof))
      await expect(verifier.authenticate(holder.request(proof))).rejects.toMatchObject({
        code: 'ERR_DPOP_PROOF_REPLAYED',
      })
    })

    it('O7: a server that is frozen takes the time limit of five requests; the others get 503 at once', async () => {
      const { client } = await shared().open(name)
      const store = createReplayStore({ client, timeoutMs: 50 })
      freeze()
      const reasons = []
      for (let count = 0; count < 20; count++)
        reasons.push(await store.add(randomUUID(), 60).catch((error: unknown) => String(error)))
      expect(reasons.slice(0, 5)).toEqual(
        Array(5).fill('StoreUnavailableError: Redis did not answer within 50 ms'),
      )
      const open = 'StoreUnavailableError: Redis is not asked, because it failed 5 times in a row'
      // On a slow machine, the second may be over before the last one.
      expect(reasons.filter((reason) => reason === open).length).toBeGreaterThan(10)
      shared().server.thaw()
      await vi.waitFor(async () => expect(await store.add(randomUUID(), 60)).toBe(true), {
        timeout: PATIENT_MS,
      })
    })

    it('O7: a proof whose command came late is used: it is not accepted by a second request', async () => {
      const { client } = await shared().open(name)
      const [hasty, patient] = [50, PATIENT_MS].map((timeoutMs) => createReplayStore({ client, timeoutMs }))
      const key = randomUUID()
      freeze()
      await expect(hasty?.add(key, 60)).rejects.toThrow('Redis did not answer within 50 ms')
      shared().server.thaw()
      expect(await patient?.add(key, 60)).toBe(false)
    })

    it('O7: onUnavailable "memory": this process goes on, and accepts each proof once', async () => {
      const { client } = await shared().open(name)
      const store = createReplayStore({ client, timeoutMs: 500, onUnavailable: 'memory' })
      const [before, during] = [randomUUID(), randomUUID()]
      expect(await store.add(before, 60)).toBe(true)
      await kill()
      expect([await store.add(during, 60), await store.add(during, 60)]).toEqual([true, false])
      expect(await store.add(before, 60)).toBe(false)
      await startAgain()
      // Redis has forgotten them. The process has not.
      expect([await store.add(before, 60), await store.add(during, 60)]).toEqual([false, false])
      await vi.waitFor(
        async () => {
          const key = randomUUID()
          await store.add(key, 60)
          expect(await shared().admin.exists(`telnyx-auth:dpop:${key}`)).toBe(1)
        },
        { timeout: PATIENT_MS },
      )
    })

    it('the introspection cache rejects meanwhile, and works again', async () => {
      const { client } = await shared().open(name)
      const cache = createIntrospectionCache({ client, timeoutMs: 500 })
      await kill()
      const unavailable = expect.objectContaining({ name: 'StoreUnavailableError' })
      await expect(cache.get('key-1')).rejects.toEqual(unavailable)
      await expect(cache.set('key-1', 'sealed', 60)).rejects.toEqual(unavailable)
      await startAgain()
      await vi.waitFor(() => cache.set('key-1', 'sealed', 60), { timeout: PATIENT_MS })
      await vi.waitFor(async () => expect(await cache.get('key-1')).toBe('sealed'), { timeout: PATIENT_MS })
    })
  })
})
