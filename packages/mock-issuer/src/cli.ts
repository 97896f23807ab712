#!/usr/bin/env node
import process from 'node:process'
import { CommandError, runCommand } from './command-line.js'

try {
  const { text, issuer } = await runCommand(process.argv.slice(2))
  process.stdout.write(text)
  // With its connections closed, nothing keeps the process alive: it ends by itself, with exit code 0.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => issuer?.close())
} catch (error) {
  if (!(error instanceof CommandError)) throw error
  process.stderr.write(`${error.message}\nmock-issuer --help tells what there is.\n`)
  process.exitCode = 1
}
