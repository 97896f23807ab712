import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

/** Tools of others for MCP servers, unmodified. `.ci/mcp-tools` has their versions, and a Node for machines with an older one. */

const HOME = fileURLToPath(new URL('../../.ci/mcp-tools', import.meta.url))

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
/** What the inspector asks for. The conformance tool does not run on Node 20 either. */
const IS_NEW_ENOUGH = major > 22 || (major === 22 && minor >= 19)
const NODE = IS_NEW_ENOUGH
  ? process.execPath
  : `${HOME}/node_modules/node-${process.platform}-${process.arch}/bin/node`

const TOOLS = {
  conformance: '@modelcontextprotocol/conformance/dist/index.js',
  'conformance-next': 'conformance-next/dist/index.js',
  inspector: '@modelcontextprotocol/inspector/clients/launcher/build/index.js',
}

export type Tool = keyof typeof TOOLS

/** Installs the tools; without network where they are installed already. */
export default async function setup(_: TestProject): Promise<void> {
  const flags = ['--ignore-workspace', '--frozen-lockfile', '--ignore-scripts']
  if (IS_NEW_ENOUGH) flags.push('--prod')
  await promisify(execFile)('pnpm', ['install', ...flags], { cwd: HOME, timeout: 300_000 })
  if (!existsSync(NODE)) throw new Error('These tests need Node 22.19 or newer on this platform')
}

/** Runs a tool to its end, which a limit of time enforces. */
export function runTool(
  tool: Tool,
  args: readonly string[],
  home: string,
): Promise<{ code: unknown; output: string }> {
  // What tools keep, they keep in the home directory.
  const options = {
    cwd: home,
    env: { HOME: home, CI: 'true' },
    timeout: 60_000,
    killSignal: 'SIGKILL' as const,
  }
  return promisify(execFile)(NODE, [`${HOME}/node_modules/${TOOLS[tool]}`, ...args], options).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  )
}
