import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { HOME, NODE } from './install.js'

const TOOLS = {
  conformance: '@modelcontextprotocol/conformance/dist/index.js',
  'conformance-next': 'conformance-next/dist/index.js',
  inspector: '@modelcontextprotocol/inspector/clients/launcher/build/index.js',
}

export type Tool = keyof typeof TOOLS

/** Runs a tool to its end. A limit of time, and the end of the test, end it as well. */
export async function runTool(
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
  const running = promisify(execFile)(NODE, [`${HOME}/node_modules/${TOOLS[tool]}`, ...args], options)
  onTestFinished(() => void running.child.kill('SIGKILL'))
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  )
}
