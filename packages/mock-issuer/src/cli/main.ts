#!/usr/bin/env node
import process from 'node:process'
import { CommandError, type CommandOutcome, runCommand } from './command-line.js'

// Before anything else, so that it can be stopped while it starts.
let running: CommandOutcome | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // With its connections closed, nothing keeps the process alive.
    if (running?.issuer) running.issuer.close()
    else process.exit()
  })

// Whoever reads what is printed may have read enough: `mock-issuer | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  running = await runCommand(process.argv.slice(2))
  process.stdout.write(running.text)
} catch (error) {
  if (!(error instanceof CommandError)) throw error
  process.stderr.write(`${error.message}\nmock-issuer --help tells what there is.\n`)
  process.exitCode = 1
}
