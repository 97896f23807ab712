import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Other runtimes, other versions of Node and of TypeScript. `.ci/runtimes` has their versions. For Linux on x64. */

const HOME = fileURLToPath(new URL('../../.ci/runtimes', import.meta.url))

/** The path of a file of one of these packages. */
export function fileOf(name: string, file: string): string {
  return `${HOME}/node_modules/${name}/${file}`
}

/** The version of one of these packages that is installed. */
export async function versionOf(name: string): Promise<string> {
  const { version }: { version: string } = JSON.parse(await readFile(fileOf(name, 'package.json'), 'utf8'))
  return version
}

export const BINARIES = {
  'Node 22': fileOf('node-22', 'bin/node'),
  'Node 24': fileOf('node-24', 'bin/node'),
  'Node 26': fileOf('node-26', 'bin/node'),
  Bun: fileOf('@oven/bun-linux-x64-baseline', 'bin/bun'),
  Deno: fileOf('@deno/linux-x64-glibc', 'deno'),
  workerd: fileOf('@cloudflare/workerd-linux-64', 'bin/workerd'),
}

/** Installs them; without network where they are installed already. */
export default async function setup(): Promise<void> {
  const flags = ['--ignore-workspace', '--frozen-lockfile', '--ignore-scripts']
  await promisify(execFile)('pnpm', ['install', ...flags], { cwd: HOME, timeout: 300_000 })
  const missing = Object.entries(BINARIES).filter(([, file]) => !existsSync(file))
  if (missing.length > 0)
    throw new Error(`These tests need Linux on x64, for ${missing.map(([name]) => name).join(', ')}`)
}
