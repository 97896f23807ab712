import { readFile } from 'node:fs/promises'
import { ConfigurationError } from '@telnyx-auth/core'
import { parse, UsageError } from './arguments.js'
import { doctor } from './doctor/doctor.js'
import { EXIT } from './exit-codes.js'
import { explain } from './explain/explain.js'
import { printable } from './terminal/printable.js'
import type { Terminal } from './terminal/terminal.js'
import { USAGE } from './usage.js'

type Command = (args: readonly string[], terminal: Terminal) => Promise<number>

const COMMANDS: ReadonlyMap<string | undefined, Command> = new Map<string, Command>([
  ['explain', explain],
  ['doctor', doctor],
  ['issuer', issuer],
])

async function issuer(args: readonly string[], { stdout, stderr }: Terminal): Promise<number> {
  // Loaded here: the other commands need no web server.
  const { serve } = await import('@telnyx-auth/mock-issuer/command')
  return serve(args, { name: 'telnyx-auth issuer', stdout, stderr, usageExitCode: EXIT.usage })
}

/**
 * Runs the command `telnyx-auth`.
 *
 * @param args what follows the name of the command
 * @param terminal its streams and its environment
 * @returns the exit code: 0 good, 1 refused or something is wrong, 2 wrong usage, 3 could not be decided
 * @example
 * process.exitCode = await run(['doctor'], process)
 */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...others] = args
  const command = COMMANDS.get(name)
  try {
    return await (command ? command(others, terminal) : runWithoutCommand(args, terminal))
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ConfigurationError)) throw error
    const help = command ? `telnyx-auth ${name} --help` : 'telnyx-auth --help'
    terminal.stderr.write(`${printable(error.message)}\nSee ${help}.\n`)
    return EXIT.usage
  }
}

async function runWithoutCommand(args: readonly string[], { stdout, stderr }: Terminal): Promise<number> {
  const { values, positional } = parse(args, {
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  })
  // Another argument is not quoted: it may be a token.
  const word = /^[a-z-]{1,16}$/.test(positional ?? '') ? `"${positional}"` : 'The first argument'
  if (positional !== undefined)
    throw new UsageError(`${word} is no command. There are: ${[...COMMANDS.keys()].join(', ')}`)
  if (!values.help && !values.version) {
    stderr.write(USAGE)
    return EXIT.usage
  }
  stdout.write(values.help ? USAGE : `${await readVersion()}\n`)
  return EXIT.good
}

async function readVersion(): Promise<string> {
  const manifest: { version: string } = JSON.parse(
    await readFile(new URL('../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}
