import process from 'node:process'
import { CommandError, type CommandOutcome, runCommand } from './command-line.js'

/** Where the command writes. */
export interface CommandOutput {
  /** Writes a text. */
  write(text: string): unknown
}

/** How the command was called. */
export interface ServeOptions {
  /** The name of the command, for its messages. */
  readonly name: string
  /** Where the help, the version and the URL of the issuer are written. */
  readonly stdout: CommandOutput
  /** Where errors are written. */
  readonly stderr: CommandOutput
  /** The exit code for arguments that it does not accept. */
  readonly usageExitCode: number
}

/**
 * Runs the command: starts an issuer, which serves until the process gets SIGINT or SIGTERM, or prints the help or the version.
 * For commands that contain this one; the packages of this repository have the same version.
 *
 * @returns the exit code, unless a signal ends the process first
 */
export async function serve(args: readonly string[], options: ServeOptions): Promise<number> {
  const { name, stdout, stderr, usageExitCode } = options
  let outcome: CommandOutcome | undefined

  /** A second signal does not wait until the connections are closed. */
  async function stop(): Promise<void> {
    await outcome?.issuer?.close()
    // Without this, the process would end by itself. But Node would first remove these signal handlers, so that a second
    // signal, arriving before the end, would kill it instead of letting it exit with 0.
    process.exit()
  }

  // Before the issuer starts, so that a signal can stop the start as well.
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    outcome = await runCommand(args, name)
    stdout.write(outcome.text)
    return 0
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    stderr.write(`${error.message}\nSee ${name} --help for all options.\n`)
    return error.isUsage ? usageExitCode : 1
  } finally {
    if (!outcome?.issuer) {
      process.off('SIGINT', stop)
      process.off('SIGTERM', stop)
    }
  }
}
