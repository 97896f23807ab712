import { execFile } from 'node:child_process'
import { mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { inject } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let compiled: Promise<string> | undefined

/**
 * Core as JavaScript, for tests that need a process of their own: Node 20 does not strip types. Each worker compiles it
 * once, into a new folder, because the system gives the id of an ended worker to another, and `dist` may be in use.
 *
 * @returns the URL of the folder that holds `index.js`
 */
export function compileCore(): Promise<string> {
  compiled ??= mkdtemp(join(inject('runFolder'), 'core-')).then(compile)
  return compiled
}

async function compile(directory: string): Promise<string> {
  const core = join(ROOT, 'packages/core')
  const settings = { composite: false, incremental: false, declaration: false, isolatedDeclarations: false }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const output = ['--outDir', join(directory, 'core'), '--tsBuildInfoFile', 'null']
  await promisify(execFile)('tsc', ['-p', core, '--noCheck', ...flags, ...output], { cwd: ROOT })
  await symlink(join(core, 'node_modules'), join(directory, 'node_modules'))
  const imports = { '#signature-engine': './core/token/signature-engine-node.js' }
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module', imports }))
  return pathToFileURL(join(directory, 'core')).href
}
