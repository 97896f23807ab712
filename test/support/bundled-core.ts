import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** The part that is used here of the bundler that comes with vitest. */
interface Bundler {
  build(options: {
    input: string
    platform: 'node'
    logLevel: 'silent'
    resolve: { conditionNames: readonly string[] }
    output: { file: string; minify: boolean }
  }): Promise<unknown>
}

/** Core in one file, as a bundler with a minifier makes it. Imported with another query, it is another copy. */
export interface BundledCore {
  readonly url: string
  remove(): Promise<void>
}

export async function bundleCore(minify: boolean): Promise<BundledCore> {
  // `vitest` depends on `vite`, and that on `rolldown`.
  const vitest = createRequire(createRequire(import.meta.url).resolve('vitest/package.json'))
  const path = createRequire(vitest.resolve('vite/package.json')).resolve('rolldown')
  const bundler: Bundler = await import(pathToFileURL(path).href)
  const directory = await mkdtemp(join(tmpdir(), 'telnyx-auth-bundle-'))
  const file = join(directory, 'core.mjs')
  const input = fileURLToPath(new URL('../../packages/core/src/index.ts', import.meta.url))
  await bundler.build({
    input,
    platform: 'node',
    logLevel: 'silent',
    // The source is bundled: `dist` may be missing, or old.
    resolve: { conditionNames: ['@telnyx-auth/source', 'node', 'import'] },
    output: { file, minify },
  })
  return { url: pathToFileURL(file).href, remove: () => rm(directory, { recursive: true }) }
}
