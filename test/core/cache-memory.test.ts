import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { compileCore } from '../support/compiled-core.js'
import { scale } from '../support/scale.js'

const PROBE = fileURLToPath(new URL('../support/cache-memory.mjs', import.meta.url))

interface Result {
  readonly shape: string
  readonly retained: number
  readonly promised: number
  readonly keeps: boolean
}

/**
 * The option `cache` promises that all cached tokens together take at most 4 KiB for each allowed entry. Measured in a
 * process of its own, with full caches of tokens whose content takes as much memory as it can for its length.
 */
it('the verified-token cache takes no more memory than promised, with any content of the tokens', async () => {
  const core = await compileCore()
  // Machine code of V8 and threads that collect garbage would distort the result, differently in each run.
  const flags = ['--expose-gc', '--single-threaded', '--no-opt', '--no-sparkplug']
  const argv = [...flags, PROBE, core, String(scale(160, 600))]
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: scale(50_000, 600_000) })
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
    // Positive control: the cache is not empty.
    expect(retained, shape).toBeGreaterThan(promised / 10)
    expect(keeps, shape).toBe(true)
  }
})
