import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createVerifier } from '@telnyx-auth/core'
import { createReplayStore } from '@telnyx-auth/redis'
import { build } from 'rolldown'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { CLIENT_NAMES, type ClientName, redisPath } from '../support/redis.js'
import { scale } from '../support/scale.js'
import { AUDIENCE, closeIssuers, createHolder, type Holder } from './proofs.js'
import { useRedis } from './shared-server.js'

const REPLAYED = 'ERR_DPOP_PROOF_REPLAYED'

describe.skipIf(redisPath === undefined)('a fleet', () => {
  const shared = useRedis()
  closeIssuers()
  let holder: Holder
  let program: string
  const children: ChildProcess[] = []
  beforeAll(async () => {
    ;[holder, program] = await Promise.all([createHolder(), bundleProcess()])
  })
  afterAll(() => {
    for (const child of children) child.kill()
  })

  /** Starts a process with a verifier. */
  async function startProcess(
    client: ClientName,
  ): Promise<(proofs: readonly string[]) => Promise<unknown[]>> {
    const child = fork(program, [client, String(shared().server.port), holder.issuer, AUDIENCE])
    children.push(child)
    const next = async (): Promise<unknown> => {
      const [message]: unknown[] = await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(([code]) => {
          throw new Error(`The process ended with exit code ${code}`)
        }),
      ])
      return message
    }
    expect(await next()).toBe('ready')
    return async (proofs) => {
      child.send(proofs.map(holder.request))
      const outcomes = await next()
      return Array.isArray(outcomes) ? outcomes : expect.fail('The process has not answered')
    }
  }

  it.each(CLIENT_NAMES)(
    'O7, attack 50: two processes with %s, the same proofs for both at once: each is accepted exactly once',
    async (client) => {
      const processes = await Promise.all([startProcess(client), startProcess(client)])
      const proofs = await Promise.all(Array.from({ length: 200 }, () => holder.prove()))
      const [first = [], second = []] = await Promise.all(processes.map((verify) => verify(proofs)))
      const pairs = proofs.map((_, index) => [first[index], second[index]].sort())
      expect(pairs).toEqual(proofs.map(() => [REPLAYED, 'accepted']))
      // Later, neither of them takes one again.
      for (const verify of processes)
        expect(new Set(await verify(proofs.slice(0, 10)))).toEqual(new Set([REPLAYED]))
    },
  )

  it('O7: what a process with one client has accepted, processes with other clients refuse', async () => {
    const [first, ...others] = await Promise.all(CLIENT_NAMES.map(startProcess))
    const proofs = [await holder.prove()]
    expect(await first?.(proofs)).toEqual(['accepted'])
    for (const verify of others) expect(await verify(proofs)).toEqual([REPLAYED])
  })

  it.each(CLIENT_NAMES)('O7: 10,000 proofs with %s, each twice', async (name) => {
    const { client } = await shared().open(name)
    const store = createReplayStore({ client, timeoutMs: 10_000 })
    const startedAt = performance.now()
    let accepted = 0
    let refused = 0
    for (let sent = 0; sent < 10_000; sent += 500) {
      const keys = Array.from({ length: 500 }, (_, index) => `${name}-${sent + index}`)
      const answers = await Promise.all([...keys, ...keys].map((key) => store.add(key, 60)))
      accepted += answers.filter((isNew) => isNew).length
      refused += answers.filter((isNew) => !isNew).length
    }
    expect([accepted, refused]).toEqual([10_000, 10_000])
    // Half a second on a quiet machine.
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })

  const PROOFS = scale(2_000, 10_000)
  it(`O7: ${PROOFS} proofs through a verifier`, async () => {
    const { client } = await shared().open('redis')
    const verifier = createVerifier({
      issuer: holder.issuer,
      audience: AUDIENCE,
      dpop: { mode: 'required', replayStore: createReplayStore({ client, timeoutMs: 10_000 }) },
    })
    for (let sent = 0; sent < PROOFS; sent += 500) {
      const proofs = await Promise.all(Array.from({ length: 500 }, () => holder.prove()))
      await Promise.all(proofs.map((proof) => verifier.authenticate(holder.request(proof))))
    }
  })
})

/** The process in one file: Node 20 does not read TypeScript. */
async function bundleProcess(): Promise<string> {
  const file = join(await mkdtemp(join(inject('runFolder'), 'redis-')), 'verifier-process.mjs')
  await build({
    input: fileURLToPath(new URL('verifier-process.ts', import.meta.url)),
    platform: 'node',
    logLevel: 'silent',
    resolve: { conditionNames: ['@telnyx-auth/source', 'node', 'import', 'require'] },
    output: { file },
  })
  return file
}
