#!/usr/bin/env node
import process from 'node:process'
import { EXIT } from './exit-codes.js'
import { run } from './run.js'

// Findings say what core warns of: without this, Node would print it a second time.
process.removeAllListeners('warning')
process.on('warning', ({ name, message }) => {
  if (name !== 'TelnyxAuthWarning') process.stderr.write(`${name}: ${message}\n`)
})

// The reader may close the pipe before it has read all, as in `telnyx-auth doctor | head -1`.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return
    // Such as ENOSPC. What was found out is lost.
    process.stderr.write(`The output cannot be written (${code})\n`)
    process.exit(EXIT.undecided)
  })

const { stdin, stdout, stderr, env } = process
// Not `process.exit()`, which would cut off what a pipe has not taken yet.
process.exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, env })
