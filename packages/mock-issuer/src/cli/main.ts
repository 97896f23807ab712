#!/usr/bin/env node
import process from 'node:process'
import { CommandError, type CommandOutcome, runCommand } from './command-line.js'

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

// The reader may close the pipe before it has read all, as in `mock-issuer | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  outcome = await runCommand(process.argv.slice(2))
  process.stdout.write(outcome.text)
} catch (error) {
  if (!(error instanceof CommandError)) throw error
  process.stderr.write(`${error.message}\nSee mock-issuer --help for all options.\n`)
  process.exitCode = 1
}
