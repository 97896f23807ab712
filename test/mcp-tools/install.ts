import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Tools of others for MCP servers, unmodified. `.ci/mcp-tools` has their versions, and a Node for machines with an older one. */

/** Where the tools are. */
export const HOME: string = fileURLToPath(new URL('../../.ci/mcp-tools', import.meta.url))

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
/** What the inspector asks for. The conformance tool does not run on Node 20 either. */
const IS_NEW_ENOUGH = major > 22 || (major === 22 && minor >= 19)
/** The Node that runs them. */
export const NODE: string = IS_NEW_ENOUGH
  ? process.execPath
  : `${HOME}/node_modules/node-${process.platform}-${process.arch}/bin/node`

/** Installs the tools; without network where they are installed already. */
export default async function setup(): Promise<void> {
  const flags = ['--ignore-workspace', '--frozen-lockfile', '--ignore-scripts']
  if (IS_NEW_ENOUGH) flags.push('--prod')
  await promisify(execFile)('pnpm', ['install', ...flags], { cwd: HOME, timeout: 300_000 })
  if (!existsSync(NODE)) throw new Error('These tests need Node 22.19 or newer on this platform')
}
