import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Core as JavaScript, for tests that need a process of their own: nothing strips types there on Node 20. */
export interface CompiledCore {
  /** The URL of the folder that holds `index.js`. */
  readonly url: string
  remove(): Promise<void>
}

/** Compiles core into a folder of its own: `dist` may be in use. */
export async function compileCore(): Promise<CompiledCore> {
  const directory = await mkdtemp(join(tmpdir(), 'telnyx-auth-core-'))
  const core = join(ROOT, 'packages/core')
  const settings = { composite: false, incremental: false, declaration: false, isolatedDeclarations: false }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const compiled = ['--outDir', join(directory, 'core'), '--tsBuildInfoFile', 'null']
  await promisify(execFile)('tsc', ['-p', core, ...flags, ...compiled], { cwd: ROOT })
  await symlink(join(core, 'node_modules'), join(directory, 'node_modules'))
  const imports = { '#signature-engine': './core/token/signature-engine-node.js' }
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module', imports }))
  return {
    url: pathToFileURL(join(directory, 'core')).href,
    remove: () => rm(directory, { recursive: true }),
  }
}
