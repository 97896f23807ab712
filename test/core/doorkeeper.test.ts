import { hash } from 'node:crypto'
import { expect, it } from 'vitest'
import { Doorkeeper } from '../../packages/core/src/testing.js'

/** Which tokens a full cache admits. */

/** Random texts, as the ends of signatures are. */
const createKeys = (count: number, name: string) =>
  Array.from({ length: count }, (_, index) => hash('sha256', `${name}-${index}`, 'base64url').slice(0, 32))

it('tells whether it saw a key before', () => {
  const doorkeeper = new Doorkeeper(1000)
  const [first = '', second = ''] = createKeys(2, 'key')
  expect(doorkeeper.sawBefore(first)).toBe(false)
  expect(doorkeeper.sawBefore(second)).toBe(false)
  expect(doorkeeper.sawBefore(first)).toBe(true)
  expect(doorkeeper.sawBefore(second)).toBe(true)
})

it.each([1, 2, 3, 1000, 1_000_000])(
  'sized for %d keys: remembers most of as many, and mistakes none',
  (size) => {
    const doorkeeper = new Doorkeeper(size)
    const keys = createKeys(Math.min(size, 20_000), 'key')
    expect(keys.filter((key) => doorkeeper.sawBefore(key))).toEqual([])
    const known = keys.filter((key) => doorkeeper.sawBefore(key)).length
    expect(known).toBeGreaterThanOrEqual(Math.floor(keys.length * 0.8))
    expect(createKeys(1000, 'other').filter((key) => doorkeeper.sawBefore(key))).toEqual([])
  },
)

it('keys that come in turn are all remembered, though several have the same place', () => {
  const doorkeeper = new Doorkeeper(1000)
  const keys = createKeys(900, 'key')
  let waiting = keys
  // As in a cache: a key that was seen before is admitted, and does not come again.
  for (let round = 0; round < 5; round++) waiting = waiting.filter((key) => !doorkeeper.sawBefore(key))
  expect(waiting).toEqual([])
})

it('forgets keys that were seen long ago', () => {
  const doorkeeper = new Doorkeeper(64)
  const [old = ''] = createKeys(1, 'old')
  doorkeeper.sawBefore(old)
  for (const key of createKeys(2000, 'key')) doorkeeper.sawBefore(key)
  expect(doorkeeper.sawBefore(old)).toBe(false)
})
