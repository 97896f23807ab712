import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  Backoff,
  BoundedCache,
  Budget,
  CachedDocument,
  type Deadline,
  type DocumentPlan,
  type Fetched,
  IssuerFailure,
  parseRetryAfter,
  systemCodeOf,
} from '../../packages/core/src/testing.js'
import { settle } from '../support/event-loop.js'
import { TestClock } from '../support/forge.js'
import { scale } from '../support/scale.js'

/** A clock whose randomness the test sets. */
class ChanceClock extends TestClock {
  chance = 0

  override random(): number {
    return this.chance
  }
}

describe('Budget', () => {
  it('allows at most the limit in any span of time, and says when the next event is allowed', () => {
    const clock = new TestClock()
    const budget = new Budget(2, 30_000, clock)
    expect(budget).toMatchObject({ left: 2, waitMs: 0 })
    budget.spend()
    expect(budget).toMatchObject({ left: 1, waitMs: 0 })
    clock.advance(10)
    budget.spend()
    expect(budget).toMatchObject({ left: 0, waitMs: 20_000 })
    clock.advance(19.999)
    expect(budget).toMatchObject({ left: 0, waitMs: 1 })
    clock.advance(0.001)
    expect(budget).toMatchObject({ left: 1, waitMs: 0 })
    budget.spend()
    // The event at 10 s is the next to leave the span: the span slides, it does not restart.
    expect(budget).toMatchObject({ left: 0, waitMs: 10_000 })
    clock.advance(30)
    expect(budget).toMatchObject({ left: 2, waitMs: 0 })
  })

  it('events beyond the limit delay the next one too', () => {
    const clock = new TestClock()
    const budget = new Budget(2, 30_000, clock)
    for (let second = 0; second < 4; second++) {
      budget.spend()
      clock.advance(1)
    }
    expect(budget.left).toBe(0)
    // Two of the four events (at 0, 1, 2 and 3 s) must leave the span: the one at 2 s leaves it at 32 s.
    expect(budget.waitMs).toBe(28_000)
    clock.advance(28)
    expect(budget).toMatchObject({ left: 1, waitMs: 0 })
  })

  it('never allows more than the limit in a span, however many callers try', () => {
    const clock = new TestClock()
    const budget = new Budget(4, 60_000, clock)
    const spent: number[] = []
    for (let step = 0; step < 3000; step++) {
      clock.advance(0.1)
      if (budget.waitMs > 0) continue
      expect(budget.left).toBeGreaterThan(0)
      budget.spend()
      spent.push(clock.monotonic())
    }
    expect(spent).toHaveLength(20)
    for (const at of spent)
      expect(spent.filter((other) => other >= at && other < at + 60_000).length).toBeLessThanOrEqual(4)
  })
})

describe('Backoff', () => {
  /** The pauses in seconds after this many failures, each at the end of the last pause. */
  function pausesOf(clock: TestClock, failures: number, atLeastMs?: number, tolerated?: number): number[] {
    const backoff = new Backoff(clock)
    return Array.from({ length: failures }, () => {
      backoff.failed(atLeastMs, tolerated)
      const { waitMs } = backoff
      clock.advance(waitMs / 1000)
      if (backoff.waitMs !== 0) throw new Error('The pause is not over')
      return waitMs / 1000
    })
  }

  it('pauses grow from 5 s to at most 60 s', () => {
    expect(pausesOf(new TestClock(), 8)).toEqual([5, 10, 20, 40, 60, 60, 60, 60])
  })

  it('stays at 60 s after ten thousand failures', () => {
    expect(pausesOf(new TestClock(), 10_000).at(-1)).toBe(60)
  })

  it.each([
    [0, 5, 60],
    [0.5, 5.625, 67.5],
    [0.999, 6.24875, 74.985],
  ])('jitter: with %d by chance, the first pause is %d s and the longest %d s', (chance, first, longest) => {
    const clock = new ChanceClock()
    clock.chance = chance
    const pauses = pausesOf(clock, 8)
    expect(pauses[0]).toBeCloseTo(first, 6)
    expect(Math.max(...pauses)).toBeCloseTo(longest, 6)
    expect(pauses.at(-1)).toBeCloseTo(longest, 6)
  })

  it('jitter is drawn once for each failure, and does not move the end of a pause', () => {
    const clock = new ChanceClock()
    const random = vi.spyOn(clock, 'random')
    const backoff = new Backoff(clock)
    backoff.failed()
    expect(random).toHaveBeenCalledTimes(1)
    clock.chance = 0.9
    clock.advance(2)
    expect(backoff.waitMs).toBe(3000)
    expect(random).toHaveBeenCalledTimes(1)
  })

  it('the pause is at least Retry-After, and longer where the backoff is longer', () => {
    expect(pausesOf(new TestClock(), 6, 30_000)).toEqual([30, 30, 30, 40, 60, 60])
    expect(pausesOf(new TestClock(), 2, 300_000)).toEqual([300, 300])
  })

  it('is never shorter than Retry-After, with any jitter', () => {
    const clock = new ChanceClock()
    for (const chance of [0, 0.3, 0.999]) {
      clock.chance = chance
      const [pause = 0] = pausesOf(clock, 1, 120_000)
      expect(pause).toBeGreaterThanOrEqual(120)
      expect(pause).toBeLessThan(150)
    }
  })

  it('tolerated failures begin no pause, unless the issuer asked for one', () => {
    expect(pausesOf(new TestClock(), 5, 0, 2)).toEqual([0, 0, 5, 10, 20])
    expect(pausesOf(new TestClock(), 2, 7000, 2)).toEqual([7, 7])
  })

  it('starts with the shortest pause after a success', () => {
    const clock = new TestClock()
    const backoff = new Backoff(clock)
    expect(backoff.waitMs).toBe(0)
    backoff.failed()
    backoff.failed()
    expect(backoff.waitMs).toBe(10_000)
    backoff.succeeded()
    expect(backoff.waitMs).toBe(0)
    backoff.failed()
    expect(backoff.waitMs).toBe(5000)
  })
})

describe('Retry-After (RFC 9110 §10.2.3)', () => {
  /** Wed, 21 Oct 2026 07:28:00 GMT */
  const now = Date.UTC(2026, 9, 21, 7, 28) / 1000

  it.each([
    ['0', 0],
    ['1', 1],
    [' 120 ', 120],
    ['007', 7],
    ['240', 240],
    ['241', 240],
    ['86400', 240],
    ['99999999999999999999', 240],
    ['9'.repeat(400), 240],
    ['Wed, 21 Oct 2026 07:28:30 GMT', 30],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 0],
    ['Wed, 21 Oct 2026 07:27:59 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Wed, 21 Oct 2026 07:32:00 GMT', 240],
    ['Wed, 21 Oct 2099 07:28:00 GMT', 240],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 240],
  ])('%j: %d s', (header, seconds) => {
    expect(parseRetryAfter(header, now)).toBe(seconds)
  })

  it.each([
    null,
    '',
    ' ',
    '-1',
    '+5',
    '1.5',
    '1e3',
    '0x10',
    'soon',
    '5 seconds',
    '5, 10',
    '-1, soon',
    'NaN',
    'Infinity',
    '٣',
    '2026-10-21T07:28:30Z',
    '2099',
    'Oct 2099',
    'Wed, 21 Oct 2026 07:28:30',
    'Wed, 21 Oct 2026 07:28:30 CET',
    'Wednesday, 21-Oct-26 07:28:30 GMT',
    'Wed Oct 21 07:28:30 2026',
    'Wed, 99 Xyz 2026 99:99:99 GMT',
    'Wed, 21 Oct 2026 ::::::::  GMT',
  ])('%j is ignored', (header) => {
    // A year alone is digits, and so it is seconds.
    expect(parseRetryAfter(header, now)).toBe(header === '2099' ? 240 : undefined)
  })

  it('is measured with the wall clock, with fractions of a second', () => {
    expect(parseRetryAfter('Wed, 21 Oct 2026 07:28:30 GMT', now + 0.25)).toBe(29.75)
  })
})

describe('the system error code of a connection', () => {
  it('is found on the error and on its causes', () => {
    expect(systemCodeOf(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED')
    const cause = Object.assign(new Error('x'), { code: 'UND_ERR_CONNECT_TIMEOUT' })
    expect(systemCodeOf(new TypeError('fetch failed', { cause }))).toBe('UND_ERR_CONNECT_TIMEOUT')
    expect(systemCodeOf({ code: 5, cause: { code: 'ENOTFOUND' } })).toBe('ENOTFOUND')
  })

  it.each([
    undefined,
    null,
    'ECONNREFUSED',
    5,
    {},
    new Error('ECONNREFUSED'),
    { code: '' },
    { code: 'E' },
    { code: 'econnrefused' },
    { code: 'E CONN' },
    { code: 'ECONN\nREFUSED' },
    { code: 'eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl' },
    { code: `E${'X'.repeat(64)}` },
    { code: 404 },
  ])('is nothing else: %j', (error) => {
    expect(systemCodeOf(error)).toBeUndefined()
  })

  it('ends for circular and for very long chains of causes', () => {
    const circle: { cause?: unknown } = {}
    circle.cause = circle
    expect(systemCodeOf(circle)).toBeUndefined()
    let deep: object = { code: 'ENOTFOUND' }
    for (let depth = 0; depth < 5; depth++) deep = { cause: deep }
    expect(systemCodeOf(deep)).toBeUndefined()
  })
})

describe('BoundedCache', () => {
  it('keeps a value until its time, and not at it', () => {
    const cache = new BoundedCache<string>(10, 1000)
    cache.set('a', 'A', 1, 5000)
    expect(cache.get('a', 4999)).toBe('A')
    expect(cache.get('a', 5000)).toBeUndefined()
    // Gone for good, and not only hidden.
    expect(cache.get('a', 0)).toBeUndefined()
    expect(cache.get('b', 0)).toBeUndefined()
  })

  it('forgets what was not used for longest, when there are too many', () => {
    const cache = new BoundedCache<number>(3, 1000)
    for (const [n, key] of ['a', 'b', 'c'].entries()) cache.set(key, n, 1, 1000)
    expect(cache.get('a', 0)).toBe(0)
    cache.set('d', 3, 1, 1000)
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key, 0))).toEqual([0, undefined, 2, 3])
  })

  it('forgets as many as it takes, when they are too large together', () => {
    const cache = new BoundedCache<string>(100, 100)
    for (const key of ['a', 'b', 'c', 'd']) cache.set(key, key, 25, 1000)
    cache.set('e', 'e', 50, 1000)
    expect(['a', 'b', 'c', 'd', 'e'].map((key) => cache.get(key, 0))).toEqual([
      undefined,
      undefined,
      'c',
      'd',
      'e',
    ])
    cache.set('f', 'f', 100, 1000)
    expect(['c', 'd', 'e', 'f'].map((key) => cache.get(key, 0))).toEqual([
      undefined,
      undefined,
      undefined,
      'f',
    ])
  })

  it('does not keep what is too large alone, and loses nothing else for it', () => {
    const cache = new BoundedCache<string>(100, 100)
    cache.set('a', 'A', 40, 1000)
    cache.set('huge', 'H', 101, 1000)
    expect(cache.get('a', 0)).toBe('A')
    expect(cache.get('huge', 0)).toBeUndefined()
    // Nor does the value that it was to replace stay: that one is not true any more.
    cache.set('a', 'A2', 101, 1000)
    expect(cache.get('a', 0)).toBeUndefined()
  })

  it('replaces a value and its size, its time and its place in the order', () => {
    const cache = new BoundedCache<string>(2, 100)
    cache.set('a', 'A', 90, 10)
    cache.set('a', 'A2', 10, 1000)
    cache.set('b', 'B', 90, 1000)
    expect(cache.get('a', 500)).toBe('A2')
    cache.set('b', 'B2', 10, 1000)
    cache.set('c', 'C', 10, 1000)
    expect(['a', 'b', 'c'].map((key) => cache.get(key, 0))).toEqual([undefined, 'B2', 'C'])
  })

  it('counts correctly over any order of uses', () => {
    const cache = new BoundedCache<number>(50, 500)
    for (let n = 0; n < 20_000; n++) {
      const key = String((n * 7919) % 97)
      if (n % 3 === 0) cache.get(key, n)
      else cache.set(key, n, (n * 31) % 40, n + ((n * 13) % 200))
    }
    // If bytes had been lost or counted twice, these would not fit exactly.
    for (let n = 0; n < 50; n++) cache.set(`last-${n}`, n, 10, 1e9)
    for (let n = 0; n < 50; n++) expect(cache.get(`last-${n}`, 0)).toBe(n)
  })

  it('passes over what was used since the last visit, once', () => {
    const cache = new BoundedCache<string>(3, 100)
    for (const key of ['a', 'b', 'c']) cache.set(key, key, 1, 1000)
    for (const key of ['a', 'b']) cache.get(key, 0)
    cache.set('d', 'd', 1, 1000)
    expect(cache.get('c', 0)).toBeUndefined()
    // The sweep ended with the newest entry of its beginning. a and b have lost their mark, and are evicted next.
    cache.set('e', 'e', 1, 1000)
    expect(cache.get('a', 0)).toBeUndefined()
    expect(['b', 'd', 'e'].map((key) => cache.get(key, 0))).toEqual(['b', 'd', 'e'])
  })

  it('what is replaced counts as used, and what ends is not served to the one who forgives', () => {
    const cache = new BoundedCache<string>(2, 100)
    cache.set('a', 'A', 1, 1000)
    cache.set('a', 'A2', 1, 1000)
    cache.set('b', 'B', 1, 1000)
    cache.set('c', 'C', 1, 1000)
    expect(['a', 'b', 'c'].map((key) => cache.get(key, 0))).toEqual(['A2', undefined, 'C'])
    expect(cache.get('a', 1000)).toBeUndefined()
  })

  it('looks at no more than a hundred that are used before it takes one', () => {
    const cache = new BoundedCache<number>(1000, 1e6)
    for (let n = 0; n < 1000; n++) cache.set(`${n}`, n, 1, 1000)
    for (let n = 0; n < 1000; n++) cache.get(`${n}`, 0)
    cache.set('new', -1, 1, 1000)
    // Those before it were forgiven, and lose nothing but that.
    expect(cache.get('100', 0)).toBeUndefined()
    for (let n = 0; n < 1000; n++) if (n !== 100) expect(cache.get(`${n}`, 0)).toBe(n)
  })

  it('what is looked up now and then survives a flood of others', () => {
    const cache = new BoundedCache<number>(100, 1e6)
    for (let n = 0; n < 50; n++) cache.set(`hot-${n}`, n, 1, 1000)
    const lost: number[] = []
    for (let n = 0; n < 10_000; n++) {
      if (cache.get(`hot-${n % 50}`, 0) !== n % 50) lost.push(n % 50)
      cache.set(`cold-${n}`, n, 1, 1000)
    }
    expect(lost).toEqual([])
  })

  it.each([1, 2, 3, 10])(
    'does what a simple model does, in any order of operations (limit %d)',
    (maxEntries) => {
      const maxBytes = 40
      const cache = new BoundedCache<number>(maxEntries, maxBytes)
      /** The last that was said of each key, whether it is kept or not. */
      const said = new Map<string, { value: number; bytes: number; until: number }>()
      let state = maxEntries
      const chance = (below: number) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
        return (state >> 8) % below
      }
      let served = 0
      for (let step = 0; step < scale(5000, 20_000); step++) {
        const key = `${chance(20)}`
        const operation = chance(10)
        if (operation < 4) {
          const value = cache.get(key, step)
          const known = said.get(key)
          if (value !== undefined) served++
          if (value !== undefined || !known) expect(value).toBe(known?.value)
          if (known && known.until <= step) expect(value).toBeUndefined()
        } else if (operation < 9) {
          const entry = { value: step, bytes: chance(45), until: step + chance(60) }
          cache.set(key, entry.value, entry.bytes, entry.until)
          said.set(key, entry)
          // What was kept last is there, if it is of any size that may be, and has not ended.
          if (entry.until > step)
            expect(cache.get(key, step)).toBe(entry.bytes > maxBytes ? undefined : entry.value)
        } else {
          cache.delete(key)
          said.delete(key)
        }
        if (step % 10 > 0) continue
        const kept = [...said].filter(([each]) => cache.get(each, Number.NEGATIVE_INFINITY) !== undefined)
        expect(kept.length).toBeLessThanOrEqual(maxEntries)
        expect(kept.reduce((sum, [, { bytes }]) => sum + bytes, 0)).toBeLessThanOrEqual(maxBytes)
      }
      expect(served).toBeGreaterThan(scale(50, 200))
      // If anything had been lost or counted twice, these would not fit exactly.
      for (let n = 0; n < 20; n++) cache.delete(`${n}`)
      for (let n = 0; n < maxEntries; n++) cache.set(`last-${n}`, n, maxBytes / maxEntries, 1e9)
      const last = Array.from({ length: maxEntries }, (_, n) => n)
      expect(last.map((n) => cache.get(`last-${n}`, 0))).toEqual(last)
    },
  )

  it('a sweep gets back to the old entries, though new ones come all the time', () => {
    const cache = new BoundedCache<number>(1000, 1e9)
    for (let n = 0; n < 1000; n++) cache.set(`old-${n}`, n, 1, 1e9)
    for (let n = 0; n < 1000; n++) cache.get(`old-${n}`, 0)
    const hits: number[] = []
    for (let round = 0; round < 5; round++) {
      let found = 0
      for (let n = 0; n < 300; n++)
        if (cache.get(`new-${n}`, 0) === undefined) cache.set(`new-${n}`, n, 1, 1e9)
        else found++
      hits.push(found)
    }
    // As in the paper: the old entries are passed once, then they make room.
    expect(hits.slice(2)).toEqual([300, 300, 300])
  })

  it('expired entries are found, and no others', () => {
    const cache = new BoundedCache<number>(1000, 1e9)
    for (let n = 0; n < 100; n++) cache.set(`${n}`, n, 1, n % 2 === 0 ? 10 : 1000)
    for (let step = 0; step < 60; step++) cache.removeExpired(500)
    for (let n = 0; n < 100; n++)
      expect(cache.get(`${n}`, Number.NEGATIVE_INFINITY)).toBe(n % 2 === 0 ? undefined : n)
  })

  it('what was replaced is let go of, also where nothing was pushed out for a long time', async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const cache = new BoundedCache<object>(100, 1e6)
    for (let n = 0; n < 101; n++) cache.set(`${n}`, {}, 1, 1000)
    const replaced: WeakRef<object>[] = []
    // As tokens are that reach their age and are verified again: one ends, one comes, and none is too many.
    for (let round = 0; round < 50; round++)
      for (let n = 1; n < 101; n++) {
        const value = {}
        if (round < 40) replaced.push(new WeakRef(value))
        cache.delete(`${n}`)
        cache.set(`${n}`, value, 1, 1000)
      }
    await settle()
    collect()
    expect(replaced.filter((each) => each.deref() !== undefined).length).toBeLessThan(200)
  })

  it('with room for none, keeps none', () => {
    const cache = new BoundedCache<string>(0, 100)
    cache.set('a', 'A', 1, 1000)
    expect(cache.get('a', 0)).toBeUndefined()
  })
})

/** A document whose requests are answered by the test, one by one. */
class Shelf {
  readonly clock = new ChanceClock()
  readonly requests: { resolve(fetched: Fetched<string>): void; reject(error: unknown): void }[] = []
  readonly deadlines: Deadline[] = []
  readonly refreshed: [value: string, previous: string | undefined][] = []
  readonly failed: unknown[] = []
  readonly document: CachedDocument<string>

  constructor(changes: Partial<DocumentPlan<string>> = {}) {
    this.document = new CachedDocument<string>({
      clock: this.clock,
      timeoutMs: 5000,
      maxStaleMs: 3_600_000,
      staleWaitMs: 1000,
      fetch: (deadline) => {
        this.deadlines.push(deadline)
        return new Promise<Fetched<string>>((resolve, reject) => this.requests.push({ resolve, reject }))
      },
      refreshed: (value, previous) => this.refreshed.push([value, previous]),
      failed: (error) => this.failed.push(error),
      ...changes,
    })
  }

  /** Answers the request that was made last. */
  async answer(value: string, lifetimeMs = 300_000): Promise<void> {
    this.requests.at(-1)?.resolve({ value, lifetimeMs })
    await settle()
  }

  async fail(error: unknown = new Error('no')): Promise<void> {
    this.requests.at(-1)?.reject(error)
    await settle()
  }

  /** With a value, as old as this. */
  static async holding(value: string, ageSeconds: number, changes?: Partial<DocumentPlan<string>>) {
    const shelf = new Shelf(changes)
    const first = shelf.document.get()
    await shelf.answer(value)
    await first
    shelf.clock.advance(ageSeconds)
    return shelf
  }
}

/** What has become of a promise by now. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  let state: unknown = 'waits'
  promise.then(
    (value) => {
      state = value
    },
    (error: unknown) => {
      state = { error }
    },
  )
  await settle()
  return state
}

function failureOf(retryAfterSeconds?: number): IssuerFailure {
  return new IssuerFailure('status', 'x', { host: 'h', durationMs: 1, status: 503, retryAfterSeconds })
}

describe('CachedDocument', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is loaded when it is first needed, once for all who ask', async () => {
    const { document, requests, refreshed, ...shelf } = await new Shelf()
    expect(document).toMatchObject({
      value: undefined,
      latestGeneration: 0,
      generation: 0,
      isRefreshing: false,
      usable: false,
    })
    expect(document).toMatchObject({ stale: false, ageMs: undefined, failure: undefined, pauseMs: 0 })
    const asking = Promise.all([document.get(), document.get(), document.refresh(), document.get()])
    expect(document).toMatchObject({ latestGeneration: 1, isRefreshing: true })
    expect(await stateOf(asking)).toBe('waits')
    requests[0]?.resolve({ value: 'A', lifetimeMs: 300_000 })
    expect(await asking).toEqual(['A', 'A', 'A', 'A'])
    await settle()
    expect(document).toMatchObject({
      value: 'A',
      latestGeneration: 1,
      generation: 1,
      isRefreshing: false,
      usable: true,
      ageMs: 0,
    })
    expect(refreshed).toEqual([['A', undefined]])
    shelf.clock.advance(1)
    expect(document.ageMs).toBe(1000)
  })

  it('is not asked for again within 80 % of its lifetime', async () => {
    const shelf = await Shelf.holding('A', 239.999)
    expect(await shelf.document.get()).toBe('A')
    expect(shelf.document.latestGeneration).toBe(1)
  })

  it.each([240, 299.999])(
    'after 80 % (%d s of 300), it is loaded in the background, once; no caller waits',
    async (age) => {
      const shelf = await Shelf.holding('A', age)
      for (let n = 0; n < 5; n++) expect(await shelf.document.get()).toBe('A')
      expect(shelf.document).toMatchObject({
        latestGeneration: 2,
        generation: 1,
        isRefreshing: true,
        stale: false,
      })
      await shelf.answer('B')
      expect(await shelf.document.get()).toBe('B')
      expect(shelf.document).toMatchObject({
        latestGeneration: 2,
        generation: 2,
        isRefreshing: false,
        ageMs: 0,
      })
      expect(shelf.refreshed).toEqual([
        ['A', undefined],
        ['B', 'A'],
      ])
    },
  )

  it('its age is counted from when it was asked for, not from when it came', async () => {
    const shelf = new Shelf()
    const first = shelf.document.get()
    shelf.clock.advance(4)
    await shelf.answer('A')
    await first
    expect(shelf.document.ageMs).toBe(4000)
  })

  it('past its lifetime, a load that comes within a second is waited for', async () => {
    const shelf = await Shelf.holding('A', 300)
    const asking = shelf.document.get()
    expect(await stateOf(asking)).toBe('waits')
    vi.advanceTimersByTime(999)
    expect(await stateOf(asking)).toBe('waits')
    await shelf.answer('B')
    expect(await stateOf(asking)).toBe('B')
  })

  it('past its lifetime, a slow load is waited for one second; who comes later waits what is left of it', async () => {
    const shelf = await Shelf.holding('A', 300)
    const first = shelf.document.get()
    shelf.clock.advance(0.6)
    vi.advanceTimersByTime(600)
    const second = shelf.document.get()
    expect(await stateOf(Promise.race([first, second]))).toBe('waits')
    shelf.clock.advance(0.4)
    vi.advanceTimersByTime(400)
    expect(await stateOf(first)).toBe('A')
    expect(await stateOf(second)).toBe('A')
    expect(await stateOf(shelf.document.get())).toBe('A')
    expect(shelf.document).toMatchObject({ latestGeneration: 2, isRefreshing: true })
    await shelf.answer('B')
    expect(await stateOf(shelf.document.get())).toBe('B')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('past its lifetime, a load that fails within the second leaves the value', async () => {
    const shelf = await Shelf.holding('A', 300)
    const asking = shelf.document.get()
    expect(await stateOf(asking)).toBe('waits')
    await shelf.fail()
    expect(await stateOf(asking)).toBe('A')
    expect(shelf.document).toMatchObject({ value: 'A', stale: true, usable: true, pauseMs: 5000 })
  })

  it('past its lifetime and while the issuer fails, no caller waits, not even for a load that begins', async () => {
    const shelf = await Shelf.holding('A', 290)
    expect(await shelf.document.get()).toBe('A')
    await shelf.fail()
    shelf.clock.advance(15)
    expect(shelf.document.stale).toBe(true)
    expect(await stateOf(shelf.document.get())).toBe('A')
    expect(shelf.document).toMatchObject({ latestGeneration: 3, isRefreshing: true })
    expect(await stateOf(shelf.document.get())).toBe('A')
    expect(shelf.document.latestGeneration).toBe(3)
  })

  it('after a quiet time, an old failure says nothing: the load is waited for', async () => {
    const shelf = await Shelf.holding('A', 290)
    await shelf.document.get()
    await shelf.fail()
    shelf.clock.advance(3000)
    const asking = shelf.document.get()
    expect(await stateOf(asking)).toBe('waits')
    await shelf.answer('B')
    expect(await stateOf(asking)).toBe('B')
  })

  // A failure counts as recent until after the longest pause.
  it.each([0, 0.999])(
    'a caller that comes every second never waits, even after the longest pause (chance %d)',
    async (chance) => {
      const shelf = await Shelf.holding('A', 290)
      shelf.clock.chance = chance
      await shelf.document.get()
      await shelf.fail(failureOf(240))
      for (let second = 0; second < 400; second++) {
        shelf.clock.advance(1)
        const asking = shelf.document.get()
        if (shelf.document.isRefreshing) {
          expect(await stateOf(asking), `${second} s later`).toBe('A')
          break
        }
        expect(await asking).toBe('A')
      }
      expect(shelf.document.latestGeneration).toBe(3)
    },
  )

  it('past the tolerance the load is waited for, and its failure is told', async () => {
    const shelf = await Shelf.holding('A', 3900)
    expect(shelf.document).toMatchObject({ value: 'A', usable: false, stale: true })
    const asking = shelf.document.get()
    vi.advanceTimersByTime(4999)
    expect(await stateOf(asking)).toBe('waits')
    const error = new Error('no')
    await shelf.fail(error)
    expect(await stateOf(asking)).toEqual({ error })
    // In the pause, to all who come, without asking.
    expect(await stateOf(shelf.document.get())).toEqual({ error })
    expect(shelf.document.latestGeneration).toBe(2)
    shelf.clock.advance(5)
    const again = shelf.document.get()
    await shelf.answer('B')
    expect(await stateOf(again)).toBe('B')
    expect(shelf.document).toMatchObject({
      latestGeneration: 3,
      generation: 3,
      usable: true,
      stale: false,
      failure: undefined,
    })
  })

  it('one millisecond before the tolerance is over, it is used', async () => {
    const shelf = await Shelf.holding('A', 290)
    await shelf.document.get()
    await shelf.fail()
    shelf.clock.advance(3899.999 - 290)
    expect(shelf.document.usable).toBe(true)
    const asking = shelf.document.get()
    await shelf.fail()
    expect(await stateOf(asking)).toBe('A')
    shelf.clock.advance(0.001)
    expect(shelf.document.usable).toBe(false)
    expect(await stateOf(shelf.document.get())).toHaveProperty('error')
  })

  it('a failure leaves the value, is told once, and is repeated in the pause without asking', async () => {
    const shelf = await Shelf.holding('A', 250)
    const error = failureOf()
    const refreshing = Promise.all([stateOf(shelf.document.refresh()), stateOf(shelf.document.refresh())])
    await shelf.fail(error)
    expect(await refreshing).toEqual([{ error }, { error }])
    expect(shelf.document).toMatchObject({
      value: 'A',
      generation: 1,
      latestGeneration: 2,
      pauseMs: 5000,
      usable: true,
    })
    expect(shelf.document.failure).toEqual({ error, agoMs: 0 })
    expect(shelf.failed).toEqual([error])
    shelf.clock.advance(4.999)
    expect(await stateOf(shelf.document.refresh())).toEqual({ error })
    expect(shelf.document).toMatchObject({ latestGeneration: 2, pauseMs: 1, failure: { agoMs: 4999 } })
    shelf.clock.advance(0.001)
    const again = shelf.document.refresh()
    expect(shelf.document).toMatchObject({ latestGeneration: 3, isRefreshing: true })
    await shelf.answer('B')
    expect(await again).toBe('B')
    expect(shelf.document).toMatchObject({ value: 'B', generation: 3, pauseMs: 0, failure: undefined })
  })

  it('pauses grow over failures, keep to Retry-After, and start over after a success', async () => {
    const shelf = new Shelf()
    const pauses: number[] = []
    const failures = [failureOf(), failureOf(), failureOf(90), new Error('no'), failureOf(0)]
    for (const failure of failures) {
      shelf.document.refresh().catch(() => undefined)
      await shelf.fail(failure)
      pauses.push(shelf.document.pauseMs)
      shelf.clock.advance(shelf.document.pauseMs / 1000)
    }
    expect(pauses).toEqual([5000, 10_000, 90_000, 40_000, 60_000])
    const refreshing = shelf.document.refresh()
    await shelf.answer('A')
    await refreshing
    shelf.document.refresh().catch(() => undefined)
    await shelf.fail()
    expect(shelf.document.pauseMs).toBe(5000)
  })

  it('pauses as long as other limits forbid requests, but not before the first failure', async () => {
    let waitMs = 45_000
    const shelf = new Shelf({ waitMs: () => waitMs })
    expect(shelf.document.pauseMs).toBe(0)
    const first = stateOf(shelf.document.get())
    await shelf.fail()
    expect(await first).toHaveProperty('error')
    expect(shelf.document.pauseMs).toBe(45_000)
    shelf.clock.advance(5)
    expect(await stateOf(shelf.document.get())).toHaveProperty('error')
    expect(shelf.document.latestGeneration).toBe(1)
    waitMs = 0
    const again = shelf.document.get()
    await shelf.answer('A')
    expect(await again).toBe('A')
  })

  it('gives each load its time; the one that was brought along, where there is one', async () => {
    const shelf = new Shelf()
    shelf.document.refresh().catch(() => undefined)
    const [own] = shelf.deadlines
    expect(own).toMatchObject({ timeoutMs: 5000, isOver: false })
    vi.advanceTimersByTime(5000)
    expect(own?.isOver).toBe(true)
    await shelf.fail()
    shelf.clock.advance(5)
    if (!own) return expect.fail('No deadline was passed')
    shelf.document.refresh(own).catch(() => undefined)
    expect(shelf.deadlines[1]).toBe(own)
    await shelf.fail()
    // No timer keeps a process alive.
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a load that throws at once is a failure like any other', async () => {
    const shelf = new Shelf({ fetch: async () => Promise.reject(new TypeError('x')) })
    expect(await stateOf(shelf.document.get())).toMatchObject({ error: new TypeError('x') })
    expect(shelf.document).toMatchObject({ latestGeneration: 1, isRefreshing: false, pauseMs: 5000 })
  })

  it('a lifetime without end never ends', async () => {
    const shelf = new Shelf()
    const first = shelf.document.get()
    await shelf.answer('A', Number.POSITIVE_INFINITY)
    await first
    shelf.clock.advance(1e9)
    expect(await shelf.document.get()).toBe('A')
    expect(shelf.document).toMatchObject({ latestGeneration: 1, stale: false, usable: true })
  })
})
