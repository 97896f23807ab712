import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { runCommand } from '../../packages/mock-issuer/src/cli/command-line.js'

/** Users paste the printed lines into a shell. The packed command is tested in `packaging/`. */

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'telnyx-auth-command-'))
  return () => rm(directory, { recursive: true })
})

/** A program that prints variables of its environment. */
async function writeProgram(name: string, variables: readonly string[]): Promise<void> {
  const source = `console.log(JSON.stringify(${JSON.stringify(variables)}.map((name) => process.env[name])))`
  await writeFile(join(directory, name), source)
}

/** Runs lines in one shell, without the variables of this process, and returns what they print. */
async function shell(...lines: string[]): Promise<string[]> {
  const env = { PATH: dirname(process.execPath) }
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', lines.join('\n')], { cwd: directory, env })
  return stdout.trimEnd().split('\n')
}

async function start(...args: string[]) {
  // The default, RSA, takes long to generate a key.
  const { issuer, text } = await runCommand(['--port', '0', '--algorithm', 'ES256', ...args])
  onTestFinished(() => issuer?.close())
  return { text, url: issuer?.issuer ?? '', apiKey: issuer?.apiKey ?? '' }
}

it.each([
  ['plain values', []],
  ['values with special characters of a shell', ['--audience', "urn:it's $HOME; exit 1"]],
])('prints a line that starts an API, and sets nothing for later commands: %s', async (_, args) => {
  const names = ['TELNYX_AUTH_ISSUER', 'TELNYX_AUTH_AUDIENCE']
  const { text, url } = await start(...args)
  const [, line = ''] = /^ +(TELNYX_AUTH_ISSUER=.*)$/m.exec(text) ?? []
  await writeProgram('server.js', names)
  expect(await shell(line, `echo "\${TELNYX_AUTH_ISSUER-unset}"`)).toEqual([
    JSON.stringify([url, args[1] ?? 'https://api.example.com']),
    'unset',
  ])
})

it('prints a line that starts a program with the official SDK, and sets nothing for later commands', async () => {
  const names = ['TELNYX_BASE_URL', 'TELNYX_API_KEY']
  const { text, url, apiKey } = await start()
  const [, line = ''] = /^ +(TELNYX_BASE_URL=.*)$/m.exec(text) ?? []
  await writeProgram('script.js', names)
  expect(await shell(line, `echo "\${TELNYX_API_KEY-unset}"`)).toEqual([
    JSON.stringify([`${url}/v2`, apiKey]),
    'unset',
  ])
})

it('prints no export: a variable that stays set would override the issuer of later tests', async () => {
  expect((await start()).text).not.toMatch(/\bexport\b/)
})

it('prints where the page to try tokens on is, unless it is not served', async () => {
  const pageIn = ({ text }: { text: string }) => /^try tokens (.+)$/m.exec(text)?.[1]
  const started = await start()
  expect(pageIn(started)).toBe(`${started.url}/`)
  expect(pageIn(await start('--no-token-page'))).toBeUndefined()
  expect(pageIn(await start('--host', '0.0.0.0'))).toBeUndefined()
})
