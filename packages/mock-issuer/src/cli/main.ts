#!/usr/bin/env node
import process from 'node:process'
import { serve } from './command.js'

// The reader may close the pipe before it has read all, as in `mock-issuer | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

const { stdout, stderr } = process
process.exitCode = await serve(process.argv.slice(2), {
  name: 'mock-issuer',
  stdout,
  stderr,
  usageExitCode: 1,
})
