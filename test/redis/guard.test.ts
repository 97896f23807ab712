import { createIntrospectionCache, createReplayStore, type IoRedisClient } from '@telnyx-auth/redis'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { turnOfEventLoop } from '../support/event-loop.js'

/** What stands between a store and a client: with a client that the test answers for, and in simulated time. */

const LIMIT = 1_000

interface Waiting {
  resolve(reply: unknown): void
  reject(error: unknown): void
}

/** The shape of a client of ioredis. It settles a command when the test does. */
class SlowClient implements IoRedisClient {
  readonly status = 'ready'
  readonly waiting: Waiting[] = []
  sent = 0

  set(): Promise<unknown> {
    return this.#send()
  }

  get(): Promise<unknown> {
    return this.#send()
  }

  call(): void {}

  defineCommand(): void {}

  /** Settles all commands that wait. */
  settle(reply: unknown): void {
    for (const { resolve } of this.waiting.splice(0)) resolve(reply)
  }

  #send(): Promise<unknown> {
    this.sent++
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject })
    })
  }
}

/** The same, with an answer for each command. */
function clientThat(answer: () => unknown): SlowClient {
  const client = new SlowClient()
  const send = vi.fn(async () => {
    client.sent++
    return answer()
  })
  return Object.assign(client, { set: send, get: send })
}

const failure = () => {
  throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' })
}

/** What becomes of a promise: a value, or the message of an error. */
const outcomeOf = (promise: Promise<unknown>) =>
  promise.catch((error: unknown) => (error instanceof Error ? error.message : expect.fail('No error')))

const TIMED_OUT = 'Redis did not answer within 100 ms'
const OPEN = 'Redis is not asked, because it failed 5 times in a row'
const REFUSED = 'The command to Redis failed (ECONNREFUSED)'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A command is given up one turn of the event loop after its time. */
async function advance(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms)
  await turnOfEventLoop()
}

describe('the time limit', () => {
  it.each([
    [undefined, 100],
    [1, 1],
    [10_000, 10_000],
  ])('timeoutMs %s: a command is given up after %d ms', async (timeoutMs, limit) => {
    const outcome = vi.fn()
    const store = createReplayStore({ client: new SlowClient(), timeoutMs })
    void outcomeOf(store.add('key-1', 60)).then(outcome)
    await advance(limit - 1)
    expect(outcome).not.toHaveBeenCalled()
    await advance(1)
    expect(outcome).toHaveBeenCalledWith(`Redis did not answer within ${limit} ms`)
  })

  it('leaves no timer behind', async () => {
    const store = createReplayStore({ client: clientThat(() => 'OK') })
    await store.add('key-1', 60)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a reply that arrived while the process was busy is not late', async () => {
    const client = new SlowClient()
    const outcome = outcomeOf(createReplayStore({ client }).add('key-1', 60))
    // The timer is due. Node reads the reply of the client before it calls what setImmediate has scheduled.
    setTimeout(() => client.settle('OK'), 100)
    await advance(100)
    expect(await outcome).toBe(true)
  })

  it('a late failure of the client is nothing that the process notices', async () => {
    const client = new SlowClient()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const outcome = outcomeOf(createReplayStore({ client }).add('key-1', 60))
    await advance(100)
    expect(await outcome).toBe(TIMED_OUT)
    client.waiting[0]?.reject(new Error('late'))
    await turnOfEventLoop()
    expect(unhandled).not.toHaveBeenCalled()
  })
})

describe('commands that the client has not settled', () => {
  it(`are ${LIMIT} at most; those that timed out count until the client settles them`, async () => {
    const client = new SlowClient()
    const store = createReplayStore({ client })
    const first = Array.from({ length: LIMIT }, (_, index) => outcomeOf(store.add(`key-${index}`, 60)))
    const tooMany = `${LIMIT} commands to Redis are not answered`
    expect(await outcomeOf(store.add('one more', 60))).toBe(tooMany)
    await advance(100)
    expect(new Set(await Promise.all(first))).toEqual(new Set([TIMED_OUT]))
    // Nothing changes with time: an hour of requests sends nothing more.
    for (let minute = 0; minute < 60; minute++) {
      await advance(60_000)
      expect(await outcomeOf(store.add(`in minute ${minute}`, 60))).toBe(tooMany)
    }
    expect(client.sent).toBe(LIMIT)
    // The client has reconnected.
    client.settle('OK')
    await advance(0)
    const probe = outcomeOf(store.add('later', 60))
    client.settle('OK')
    expect(await probe).toBe(true)
  })

  it('the limit is no failure of the server: the circuit stays closed', async () => {
    const client = new SlowClient()
    const store = createReplayStore({ client })
    const first = Array.from({ length: LIMIT }, (_, index) => store.add(`key-${index}`, 60))
    for (let count = 0; count < 20; count++) await outcomeOf(store.add(`more-${count}`, 60))
    client.settle('OK')
    await Promise.all(first)
    const next = store.add('next', 60)
    client.settle(null)
    expect(await next).toBe(false)
  })
})

describe('the circuit breaker', () => {
  async function openCircuit(answer: () => unknown) {
    const state = { answer }
    const client = clientThat(() => state.answer())
    const store = createReplayStore({ client })
    for (let count = 0; count < 5; count++) expect(await outcomeOf(store.add('key-1', 60))).toBe(REFUSED)
    return { client, store, state }
  }

  it('opens after five failures in a row, for a second', async () => {
    const { client, store } = await openCircuit(failure)
    await advance(999)
    for (let count = 0; count < 100; count++) expect(await outcomeOf(store.add('key-1', 60))).toBe(OPEN)
    expect(client.sent).toBe(5)
    await advance(1)
    expect(await outcomeOf(store.add('key-1', 60))).toBe(REFUSED)
    expect(client.sent).toBe(6)
    // The probe has failed: another second.
    await advance(999)
    expect(await outcomeOf(store.add('key-1', 60))).toBe(OPEN)
  })

  it('a success in between begins a new row', async () => {
    let count = 0
    const store = createReplayStore({ client: clientThat(() => (++count % 5 === 0 ? 'OK' : failure())) })
    const outcomes = []
    for (let each = 0; each < 20; each++) outcomes.push(await outcomeOf(store.add('key-1', 60)))
    expect(outcomes).toEqual(Array.from({ length: 20 }, (_, index) => (index % 5 === 4 ? true : REFUSED)))
  })

  it('closes when the probe succeeds', async () => {
    const { store, state } = await openCircuit(failure)
    state.answer = () => 'OK'
    await advance(1_000)
    const outcomes = []
    for (let count = 0; count < 3; count++) outcomes.push(await store.add('key-1', 60))
    expect(outcomes).toEqual([true, true, true])
  })

  it('lets one probe pass at a time, until the client settles it, or for ten seconds; nothing waits for it', async () => {
    const { client, store, state } = await openCircuit(failure)
    const probes: ((reply: string) => void)[] = []
    state.answer = () => new Promise((resolve) => probes.push(resolve))
    await advance(1_000)
    for (let count = 1; count <= 3; count++) {
      const probe = outcomeOf(store.add('key-1', 60))
      expect(await outcomeOf(store.add('key-1', 60))).toBe(OPEN)
      await advance(100)
      expect(await probe).toBe(TIMED_OUT)
      for (let second = 1; second < 10; second++) {
        await advance(1_000)
        expect(await outcomeOf(store.add('key-1', 60))).toBe(OPEN)
      }
      expect(client.sent).toBe(5 + count)
      await advance(900)
    }
    const late = outcomeOf(store.add('key-1', 60))
    await advance(100)
    expect(await late).toBe(TIMED_OUT)
    for (const settle of probes.splice(0)) settle('OK')
    // The second after the failed probe is not over; after it, the server is asked again.
    expect(await outcomeOf(store.add('key-1', 60))).toBe(OPEN)
    await advance(1_000)
    const next = outcomeOf(store.add('key-1', 60))
    probes[0]?.('OK')
    expect(await next).toBe(true)
  })

  it('commands that fail after it has opened do not keep it open', async () => {
    const client = new SlowClient()
    const store = createReplayStore({ client })
    const sent = Array.from({ length: 10 }, () => outcomeOf(store.add('key-1', 60)))
    for (const { reject } of client.waiting.splice(0, 5)) reject(new Error('ERR'))
    await turnOfEventLoop()
    await advance(99)
    for (const { reject } of client.waiting.splice(0)) reject(new Error('ERR'))
    await Promise.all(sent)
    await advance(901)
    const probe = store.add('key-1', 60)
    client.settle('OK')
    expect(await probe).toBe(true)
  })

  it('each store has its own', async () => {
    const { client, state } = await openCircuit(failure)
    state.answer = () => null
    expect(await createIntrospectionCache({ client }).get('key-1')).toBeUndefined()
  })
})

describe('errors', () => {
  const KEY = 'dPVj0cLHRZW3fzQDpYkLFq1hHAWQ8kO_6zLPnPsyaYM'
  const VALUE = 'sealed-value-of-an-introspection-answer'

  /** Errors as the clients make them. */
  const errors: [string, unknown, string][] = [
    ['ECONNRESET', Object.assign(new Error(`read ECONNRESET ${KEY}`), { code: 'ECONNRESET' }), 'ECONNRESET'],
    ['OOM', new Error("OOM command not allowed when used memory > 'maxmemory'."), 'OOM'],
    [
      'an unknown command, which the server repeats',
      Object.assign(new Error(`ERR unknown command 'SET', with args beginning with: '${KEY}' '${VALUE}'`), {
        command: { name: 'set', args: [KEY, VALUE] },
      }),
      'ERR',
    ],
    ['a class of the client', new (class ClientClosedError extends Error {})(KEY), 'ClientClosedError'],
    [
      'a name',
      Object.assign(new Error(KEY), { name: 'MaxRetriesPerRequestError' }),
      'MaxRetriesPerRequestError',
    ],
    ['a name with the key', Object.assign(new Error(KEY), { name: `x ${KEY}` }), 'Error'],
    ['a code with the key', Object.assign(new Error(KEY), { code: KEY }), 'Error'],
    ['a string', `${KEY} ${VALUE}`, 'unknown'],
    ['undefined', undefined, 'unknown'],
  ]

  it.each(errors)('have no key and no value: %s', async (_, thrown, kind) => {
    const client = clientThat(() => {
      throw thrown
    })
    const cache = createIntrospectionCache({ client })
    const error = await cache.set(KEY, VALUE, 60).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      name: 'StoreUnavailableError',
      message: `The command to Redis failed (${kind})`,
    })
    if (!(error instanceof Error)) throw error
    const shown = [error.stack, JSON.stringify(error), String(error.cause)].join()
    expect(shown).not.toContain(KEY)
    expect(shown).not.toContain(VALUE)
  })

  it('a client that throws at once is one that fails', async () => {
    const client = Object.assign(new SlowClient(), { set: failure })
    expect(await outcomeOf(createReplayStore({ client }).add('key-1', 60))).toBe(REFUSED)
  })

  it.each([['QUEUED'], [undefined], [1], [true], [{}]])(
    'O7: when the reply is %s, the proof is not new',
    async (reply) => {
      const store = createReplayStore({ client: clientThat(() => reply) })
      expect(await outcomeOf(store.add('key-1', 60))).toBe(
        'The command to Redis failed (UnexpectedReplyError)',
      )
    },
  )
})

describe('the time that is left', () => {
  it.each([
    ['O7: of a proof, rounded up', 60.0001, 60_001],
    ['O7: of a proof, at least a millisecond', -5, 1],
  ])('%s', async (_, seconds, milliseconds) => {
    const client = Object.assign(new SlowClient(), { set: vi.fn(async () => 'OK') })
    await createReplayStore({ client }).add('key-1', seconds)
    expect(client.set).toHaveBeenCalledExactlyOnceWith('telnyx-auth:dpop:key-1', '', 'PX', milliseconds, 'NX')
  })

  it('I4: of an answer, rounded down', async () => {
    const client = Object.assign(new SlowClient(), { set: vi.fn(async () => 'OK') })
    await createIntrospectionCache({ client }).set('key-1', 'sealed', 60.0009)
    expect(client.set).toHaveBeenCalledExactlyOnceWith(
      'telnyx-auth:introspection:key-1',
      'sealed',
      'PX',
      60_000,
    )
  })
})

describe('onUnavailable: "memory"', () => {
  const state: { answer: () => unknown } = { answer: failure }
  const createStore = () =>
    createReplayStore({ client: clientThat(() => state.answer()), onUnavailable: 'memory' })
  beforeEach(() => {
    vi.spyOn(process, 'emitWarning').mockReturnValue()
    state.answer = failure
  })

  it('O7: in an outage, the process accepts a proof once', async () => {
    const store = createStore()
    for (let count = 0; count < 20; count++)
      expect([await store.add(`key-${count}`, 60), await store.add(`key-${count}`, 60)]).toEqual([
        true,
        false,
      ])
  })

  it('O7: a proof from before an outage is not accepted again in it', async () => {
    state.answer = () => 'OK'
    const store = createStore()
    expect(await store.add('key-1', 60)).toBe(true)
    state.answer = failure
    expect(await store.add('key-1', 60)).toBe(false)
  })

  it('O7: a proof from an outage is not accepted again after it', async () => {
    const store = createStore()
    expect(await store.add('key-1', 60)).toBe(true)
    state.answer = () => 'OK'
    expect(await store.add('key-1', 60)).toBe(false)
    expect(await store.add('key-2', 60)).toBe(true)
  })

  it('O7: while Redis answers, it decides', async () => {
    state.answer = () => null
    expect(await createStore().add('key-1', 60)).toBe(false)
  })

  it('warns once for each cause', async () => {
    const store = createStore()
    for (let count = 0; count < 4; count++) await store.add(`key-${count}`, 60)
    expect(vi.mocked(process.emitWarning).mock.calls).toEqual([
      [
        `Each process decides alone which proofs are new: ${REFUSED}`,
        { type: 'TelnyxAuthWarning', code: 'ERR_REPLAY_STORE_UNAVAILABLE' },
      ],
    ])
  })

  it('does not warn while Redis answers', async () => {
    state.answer = () => 'OK'
    await createStore().add('key-1', 60)
    expect(process.emitWarning).not.toHaveBeenCalled()
  })
})
