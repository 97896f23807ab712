import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { compileCore } from '../support/compiled-core.js'

const PROBE = fileURLToPath(new URL('../support/cache-memory.mjs', import.meta.url))

interface Result {
  readonly shape: string
  readonly retained: number
  readonly promised: number
  readonly keeps: boolean
}

/**
 * The option `cache` promises that all tokens together take no more than 4 KiB for each that is allowed. Measured in a process
 * of its own with full caches of tokens that are as large in memory as they can be for their length.
 */
it('the verified-token cache takes no more memory than it promises, with any content of the tokens', async () => {
  const core = await compileCore()
  // With fewer entries, what the process itself keeps of its first steps would count for too much.
  const argv = ['--expose-gc', PROBE, core.url, '600']
  const { stdout } = await promisify(execFile)(process.execPath, argv).finally(() => core.remove())
  const results: Result[] = JSON.parse(stdout)
  const inMiB = (bytes: number) => (bytes / 1024 / 1024).toFixed(2)
  console.log(
    results
      .map(({ shape, retained, promised }) => `${inMiB(retained)} of ${inMiB(promised)} MiB: ${shape}`)
      .join('\n'),
  )
  expect(results.length).toBeGreaterThan(25)
  for (const { shape, retained, promised, keeps } of results) {
    expect(retained, shape).toBeLessThan(promised)
    // The positive control: there is something in it.
    expect(retained, shape).toBeGreaterThan(promised / 10)
    expect(keeps, shape).toBe(true)
  }
}, 180_000)
