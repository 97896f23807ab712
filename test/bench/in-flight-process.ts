import { createPublicKey } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { answerQuestions } from './helper-process.js'
import { TokenPool } from './token-pool.js'
import type { PublicJwk, VerifyingKey } from './tokens.js'
import { createFloorForTokens, createJose, createOurs, FLOOR, OURS, prove, type Verify } from './verifiers.js'

/** What a process verifies with, and what. */
export interface InFlightSetup {
  readonly verifier: string
  readonly jwk: PublicJwk
  readonly algorithm: VerifyingKey['algorithm']
  readonly tokens: readonly string[]
}

/** How many tokens: so many groups, whose tokens are presented together. */
export interface InFlightOrder {
  readonly groups: number
  readonly inFlight: number
}

export interface InFlight {
  readonly wallUs: number
  readonly cpuUs: number
  /** With the millisecond between two looks at the event loop. */
  readonly delayP99Ms: number
}

/** The next group is presented as soon as the one before is done, for so many groups. Then the event loop gets a turn. */
const GROUPS_A_TURN = 8

const CREATE: Readonly<Record<string, (key: VerifyingKey) => Verify | Promise<Verify>>> = {
  [OURS]: (key) => createOurs(key, { cache: false }),
  jose: createJose,
  [FLOOR]: createFloorForTokens,
}

let verify: Verify | undefined
let pool = new TokenPool([])
const delay = monitorEventLoopDelay({ resolution: 1 })

answerQuestions((question) => {
  const asked: InFlightSetup | InFlightOrder = JSON.parse(question)
  return 'groups' in asked ? run(asked) : setUp(asked)
})

async function setUp({ verifier, jwk, algorithm, tokens }: InFlightSetup): Promise<object> {
  const publicKey = createPublicKey({ key: { ...jwk }, format: 'jwk' })
  verify = await CREATE[verifier]?.({ jwk, algorithm, publicKey })
  if (!verify) throw new Error(`There is no verifier ${verifier}`)
  await prove(verifier, verify, tokens[0] ?? '')
  pool = new TokenPool(tokens)
  return {}
}

async function run({ groups, inFlight }: InFlightOrder): Promise<InFlight> {
  if (!verify) throw new Error('No verifier was set up')
  delay.reset()
  delay.enable()
  const cpu = process.cpuUsage()
  const started = performance.now()
  for (let group = 0; group < groups; group++) {
    await Promise.all(pool.many(inFlight).map(verify))
    if (group % GROUPS_A_TURN === GROUPS_A_TURN - 1) await setImmediate()
  }
  const wallUs = (performance.now() - started) * 1000
  const { user, system } = process.cpuUsage(cpu)
  // The monitor's timer may not have run yet since the last group.
  await setImmediate()
  delay.disable()
  return { wallUs, cpuUs: user + system, delayP99Ms: delay.percentile(99) / 1e6 }
}
