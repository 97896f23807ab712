import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'rolldown'

/** Core in one file, as a bundler with a minifier makes it. Imported with another query, it is another copy. */
export interface BundledCore {
  readonly url: string
  remove(): Promise<void>
}

export async function bundleCore(minify: boolean): Promise<BundledCore> {
  const directory = await mkdtemp(join(tmpdir(), 'telnyx-auth-bundle-'))
  const file = join(directory, 'core.mjs')
  const input = fileURLToPath(new URL('../../packages/core/src/index.ts', import.meta.url))
  await build({
    input,
    platform: 'node',
    logLevel: 'silent',
    // The source is bundled: `dist` may be missing, or old.
    resolve: { conditionNames: ['@telnyx-auth/source', 'node', 'import'] },
    output: { file, minify },
  })
  return { url: pathToFileURL(file).href, remove: () => rm(directory, { recursive: true }) }
}
