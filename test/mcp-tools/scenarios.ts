import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CLIENT, startPlace } from './place.js'
import { runTool, type Tool } from './tools.js'

/** A run of the conformance tool. */
interface Run {
  readonly tool: Tool
  readonly version: string
  readonly args: readonly string[]
  /** How many scenarios our server passes at least. */
  readonly passes: number
}

/** Every check by its scenario, as `id: STATUS`. */
type Results = Readonly<Record<string, readonly string[]>>

interface Check {
  readonly id: string
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'
}

async function runScenarios(
  { tool, args }: Run,
  url: string,
  folder: string,
): Promise<{ results: Results; output: string }> {
  const { output } = await runTool(tool, ['server', '--url', url, ...args, '--output-dir', folder], folder)
  const results: Record<string, readonly string[]> = {}
  // `server-`, the name of the scenario, and the time.
  for (const name of (await readdir(folder)).filter((name) => name.startsWith('server-'))) {
    const file = join(folder, name, 'checks.json')
    // A scenario that throws an error leaves an empty folder.
    const checks: Check[] = existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : []
    // Notes are about single events of a stream, which may come in more or fewer pieces.
    const judged = checks.filter(({ status }) => status !== 'INFO')
    results[name.replace(/^server-|-\d{4}-\d\d-\d\dT.*$/g, '')] = judged
      .map(({ id, status }) => `${id}: ${status}`)
      .sort()
  }
  return { results, output }
}

function count(checks: readonly string[], status: Check['status']): number {
  return checks.filter((check) => check.endsWith(`: ${status}`)).length
}

/** The scenarios of which no check failed, and some succeeded. */
function passed(results: Results): string[] {
  return Object.entries(results)
    .filter(([, checks]) => count(checks, 'FAILURE') === 0 && count(checks, 'SUCCESS') > 0)
    .map(([name]) => name)
}

/** The tool finds the same in a server with and without our guard. */
export function testConformance(run: Run): void {
  // Longer than the three runs may take: see `runTool`.
  describe(`conformance ${run.version}`, { timeout: 200_000 }, () => {
    it('every check of every scenario ends as it does without the guard, before and after the body parser', async () => {
      const open = await startPlace('none')
      const { results, output } = await runScenarios(run, open.urlWithToken, open.folder)
      expect(passed(results).length, output).toBeGreaterThanOrEqual(run.passes)
      // The token was sent, and the server did not look at it.
      expect([...open.callers]).toEqual([undefined])
      for (const guard of ['before the body parser', 'after the body parser'] as const) {
        const { urlWithToken, folder, callers } = await startPlace(guard)
        expect((await runScenarios(run, urlWithToken, folder)).results, guard).toEqual(results)
        expect([...callers]).toEqual([CLIENT])
      }
      const checks = Object.values(results).flat()
      console.log(
        `conformance ${run.version}: ${passed(results).length} of ${Object.keys(results).length} scenarios passed, ` +
          `${count(checks, 'SUCCESS')} checks succeeded, ${count(checks, 'FAILURE')} failed: the same with and without the guard`,
      )
    })

    // Without it, a guard that does nothing would pass as well.
    it('without a token, nothing reaches the server', async () => {
      const { url, folder, callers, statuses } = await startPlace('before the body parser')
      const { results } = await runScenarios(run, url, folder)
      expect([...callers]).toEqual([])
      expect([...statuses]).toEqual([401])
      // It expects that a request with a foreign `Host` is refused, and does not ask why.
      expect(passed(results)).toEqual([])
      expect(Object.keys(results).length).toBeGreaterThanOrEqual(run.passes)
    })
  })
}
