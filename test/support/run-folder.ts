import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder for what several test files share, such as compiled code. It is removed when the run is over. */
    runFolder: string
  }
}

/** Runs once, before the first test file and after the last one. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'telnyx-auth-run-'))
  provide('runFolder', folder)
  return () => rm(folder, { recursive: true, force: true })
}
