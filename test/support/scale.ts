import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether this run takes its time (`pnpm soak`). */
    soak: boolean
  }
}

/**
 * How much a test does. The suite has to be fast, so floods and simulated days are short in it; `pnpm soak` runs the
 * same tests, with the same assertions, at full length.
 */
export function scale(suite: number, soak: number): number {
  return inject('soak') ? soak : suite
}
