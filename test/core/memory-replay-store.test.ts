import { createMemoryReplayStore } from '@telnyx-auth/core'
import { afterEach, describe, expect, it, vi } from 'vitest'

afterEach(() => {
  vi.useRealTimers()
})

describe('createMemoryReplayStore', () => {
  it('O7: a key is new once, until it has expired', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const store = createMemoryReplayStore()
    expect([await store.add('a', 60), await store.add('a', 60), await store.add('b', 60)]).toEqual([
      true,
      false,
      true,
    ])
    vi.advanceTimersByTime(59_999)
    expect(await store.add('a', 60)).toBe(false)
    vi.advanceTimersByTime(1)
    expect(await store.add('a', 60)).toBe(true)
  })

  it('O7, attack 52: with maxEntries keys, it refuses new ones, and forgets none', async () => {
    const store = createMemoryReplayStore({ maxEntries: 2 })
    await store.add('a', 60)
    await store.add('b', 60)
    await expect(store.add('c', 60)).rejects.toThrow('The replay store is full')
    expect([await store.add('a', 60), await store.add('b', 60)]).toEqual([false, false])
  })

  it.each([
    ['an unknown option', { maxEntry: 1 }, 'There is no option "maxEntry"; did you mean "maxEntries"?'],
    ['no entries', { maxEntries: 0 }, 'Option "maxEntries" must be a number from 1 to 10000000, not 0'],
    ['too many', { maxEntries: 10_000_001 }, /maxEntries/],
    ['NaN', { maxEntries: Number.NaN }, /maxEntries/],
    ['a number', 5, 'The options must be a plain object, not 5'],
  ])('refuses %s', (_, options, message) => {
    const create = () => Reflect.apply(createMemoryReplayStore, undefined, [options])
    expect(create).toThrow(message)
    expect(create).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
  })
})
