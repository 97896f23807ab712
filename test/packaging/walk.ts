import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Block, blocksIn, read } from '../docs/markdown.js'

/** The shell lines of a document, run as they are written. */

/** Lines for a shell, and what the document says that they print, if it does. */
export interface Step {
  readonly line: number
  readonly commands: string
  readonly printed: string | undefined
}

/** The blocks for a shell in a document. Those with `…` are for the reader to fill in. */
export async function stepsOf(document: string): Promise<Step[]> {
  const blocks = blocksIn(await read(document))
  const isText = (block: Block | undefined) => block?.language === 'text'
  return blocks.flatMap(({ language, code, line }, index) => {
    if (language !== 'sh' || code.includes('…')) return []
    const next = blocks[index + 1]
    return [{ line, commands: code, printed: isText(next) ? next?.code : undefined }]
  })
}

/**
 * Runs steps in one shell, one after the other.
 *
 * @returns what each of them has printed
 */
export async function runSteps(
  steps: readonly Step[],
  env: Readonly<Record<string, string>>,
  change: (commands: string) => string,
): Promise<string[]> {
  const end = '--- end of step ---'
  const script = steps.map(({ commands }) => `${change(commands)}\necho '${end}'`).join('\n')
  const { stdout } = await promisify(execFile)('bash', ['-c', script], {
    env: { PATH: process.env.PATH, ...env },
  })
  return stdout.split(`${end}\n`).slice(0, -1)
}

/** What a document says that a step prints: `…` stands for what differs each time. */
export function patternOf(printed: string): RegExp {
  const lines = printed
    .trimEnd()
    .split('\n')
    .map((line) => line.split('…').map(escapeForRegExp).join('.+'))
  return new RegExp(`^${lines.join('\\r?\\n')}\\s*$`)
}

function escapeForRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
