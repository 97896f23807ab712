import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { turnOfEventLoop } from '../support/event-loop.js'

/** The command in a process of its own, where signals can be sent to it. */

const PACKAGE = fileURLToPath(new URL('../../packages/mock-issuer', import.meta.url))

let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'telnyx-auth-signals-'))
  // Node 20 runs JavaScript only. Not in `dist`, which another test may be building.
  const settings = { composite: false, incremental: false, declaration: false, isolatedDeclarations: false }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  // Nothing is checked here, so that no import has to be read.
  flags.push('--noCheck', '--noResolve')
  const output = ['--outDir', join(directory, 'dist'), '--tsBuildInfoFile', 'null']
  await promisify(execFile)('tsc', ['-p', PACKAGE, ...flags, ...output], { cwd: PACKAGE })
  await symlink(join(PACKAGE, 'node_modules'), join(directory, 'node_modules'))
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  return () => rm(directory, { recursive: true })
}, 120_000)

/** Starts the command, and waits until it listens and has printed its text. */
async function start() {
  const args = [join(directory, 'dist/cli/main.js'), '--port', '0', '--algorithm', 'ES256']
  const child = spawn(process.execPath, args, { env: {}, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await once(child.stdout, 'data')
  return child
}

it.each(['SIGINT', 'SIGTERM'] as const)('exits with 0 on %s', async (signal) => {
  const child = await start()
  child.kill(signal)
  expect(await once(child, 'exit')).toEqual([0, null])
})

it('exits with 0 on a second SIGINT, at any moment between the first and the end of the process', async () => {
  const child = await start()
  // As many as fit in, so that some arrive while Node takes the process down.
  while (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGINT')
    await turnOfEventLoop()
  }
  expect([child.exitCode, child.signalCode]).toEqual([0, null])
})
