import nodeCrypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { afterAll, beforeAll, expect } from 'vitest'
import { createSignal } from './http.js'

/**
 * Work in Node's thread pool. How many turns of the event loop it takes depends on the load of the machine, so tests
 * wait for its end and never for a number of turns.
 */
const inThreadPool = new Set<Promise<unknown>>()

/** Lets {@link settle} wait for work in the thread pool that this file does not see, such as decompression. */
export function trackThreadPool<T>(work: Promise<T>): Promise<T> {
  inThreadPool.add(work)
  const end = () => inThreadPool.delete(work)
  work.then(end, end)
  return work
}

/** Tracks every operation of the Web Cryptography API: Node runs most of them in the thread pool. */
function trackWebCrypto(): void {
  const methods: object = Object.getPrototypeOf(crypto.subtle)
  for (const [name, { value: method }] of Object.entries(Object.getOwnPropertyDescriptors(methods))) {
    if (name === 'constructor' || typeof method !== 'function') continue
    Object.defineProperty(methods, name, {
      configurable: true,
      writable: true,
      value(...input: unknown[]): unknown {
        const result: unknown = Reflect.apply(method, this, input)
        return result instanceof Promise ? trackThreadPool(result) : result
      },
    })
  }
}

/** Tracks `verify` of `node:crypto` where it is called with a callback. */
function trackNodeVerify(): void {
  const { verify } = nodeCrypto
  const tracked = (...input: unknown[]): unknown => {
    const callback = input.at(-1)
    if (typeof callback !== 'function') return Reflect.apply(verify, nodeCrypto, input)
    const ended = createSignal()
    trackThreadPool(ended.promise)
    const end = (...outcome: unknown[]) => {
      ended.resolve()
      Reflect.apply(callback, undefined, outcome)
    }
    return Reflect.apply(verify, nodeCrypto, [...input.slice(0, -1), end])
  }
  Object.assign(nodeCrypto, { verify: tracked })
  syncBuiltinESMExports()
}

trackWebCrypto()
trackNodeVerify()

/** How many operations of the thread pool have not ended. */
export function pendingInThreadPool(): number {
  return inThreadPool.size
}

export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Waits for a condition that other turns of the event loop bring about, without a clock. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turnOfEventLoop()
}

/** More turns in a row mean an endless series of immediates, such as a body that never ends: time must go on to end it. */
const MAX_TURNS = 20

/**
 * Waits until only a timer or a socket can make anything happen: nothing is in the thread pool, no immediate is pending, and
 * every promise that could settle has settled. Each turn of the event loop runs all pending microtasks.
 */
export async function settle(): Promise<void> {
  for (let turn = 1; ; turn++) {
    await Promise.allSettled(inThreadPool)
    await turnOfEventLoop()
    const hasImmediate = process.getActiveResourcesInfo().includes('Immediate')
    if (inThreadPool.size === 0 && (!hasImmediate || turn >= MAX_TURNS)) return
  }
}

/** Expects that no test of the calling file leaves a rejected promise unhandled. */
export function expectNothingUnhandled(): void {
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown): void => {
    unhandled.push(reason)
  }
  beforeAll(() => {
    process.on('unhandledRejection', onUnhandled)
  })
  afterAll(async () => {
    await settle()
    process.off('unhandledRejection', onUnhandled)
    expect(unhandled).toEqual([])
  })
}
