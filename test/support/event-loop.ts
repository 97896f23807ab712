import { afterAll, beforeAll, expect } from 'vitest'

export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Waits for something that happens in other turns of the event loop, without a clock. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turnOfEventLoop()
}

/** Lets everything happen that is due. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await turnOfEventLoop()
}

/** Nothing that the tests of this file do may escape to the process. */
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
