import { availableParallelism } from 'node:os'

/** How much long work of ours the thread pool does at once, once that is known. */
let maxLong: number | undefined

/**
 * With more than this, the event loop often waits for a core. One thread is left for files and DNS, which use the same pool. One
 * more than there are cores, so that no core waits for the event loop.
 */
function findMaxLong(): number {
  // The size of the pool (libuv).
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4
  return Math.max(1, Math.min(availableParallelism() + 1, threads - 1))
}

function isFullOfLongWork(): boolean {
  // Not when this file is loaded: some runtimes ask for a permission to read the environment.
  maxLong ??= findMaxLong()
  return runningLong >= maxLong
}

let running = 0
let runningLong = 0
/** Long work that has not begun, in order. */
const waiting = new Set<() => void>()

/** Whether the thread pool works for us. */
export function isThreadPoolBusy(): boolean {
  return running > 0
}

/**
 * Does work in the thread pool.
 *
 * @param isLong whether it takes more than half a millisecond. Of such work, the pool does only some at once
 * @param start begins the work. It calls `done` later, once, unless it throws
 * @example
 * await runInThreadPool<Buffer>(false, (done) => randomBytes(16, done))
 */
export function runInThreadPool<T>(
  isLong: boolean,
  start: (done: (error: Error | null, result: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const begin = () => {
      count(1, isLong)
      try {
        start((error, result) => {
          count(-1, isLong)
          beginWaiting()
          if (error) reject(error)
          else resolve(result)
        })
      } catch (error) {
        // It has not begun, and calls no one back.
        count(-1, isLong)
        reject(error)
      }
    }
    if (isLong && isFullOfLongWork()) waiting.add(begin)
    else begin()
  })
}

function count(change: 1 | -1, isLong: boolean): void {
  running += change
  if (isLong) runningLong += change
}

function beginWaiting(): void {
  for (const begin of waiting) {
    if (isFullOfLongWork()) return
    waiting.delete(begin)
    begin()
  }
}
