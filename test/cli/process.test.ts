import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { build } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createCertificate } from '../support/certificates.js'
import { serveTls } from './tls-server.js'

/** The command in a process of its own: its streams, its signals, and what only a process can set. */

const PACKAGE = fileURLToPath(new URL('../../packages/cli', import.meta.url))

let directory = ''
let command = ''
let issuer: MockIssuer
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'telnyx-auth-cli-'))
  command = join(directory, 'dist/main.js')
  // Node 20 runs JavaScript only. Not in `dist` of the package, which another test may be building.
  await build({
    input: join(PACKAGE, 'src/main.ts'),
    platform: 'node',
    logLevel: 'silent',
    resolve: { conditionNames: ['@telnyx-auth/source', 'node', 'import'] },
    output: { dir: join(directory, 'dist'), entryFileNames: '[name].js' },
  })
  await copyFile(join(PACKAGE, 'package.json'), join(directory, 'package.json'))
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  await issuer.listen()
}, 120_000)
afterAll(async () => {
  await issuer.close()
  await rm(directory, { recursive: true })
})

/** Runs the command to its end. Without `stdin`, standard input is closed. */
async function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin?: string) {
  const child = spawn(process.execPath, [command, ...args], {
    env: { TELNYX_AUTH_ISSUER: issuer.issuer, TELNYX_AUTH_AUDIENCE: issuer.audience, ...env },
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const written = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => {
    written.stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    written.stderr += chunk
  })
  child.stdin?.end(stdin)
  const [code]: unknown[] = await once(child, 'close')
  return { code, ...written }
}

it('reads a token from a pipe, and ends by itself', async () => {
  const { code, stdout, stderr } = await start(['explain', '-', '--json'], {}, await issuer.issueToken())
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({ outcome: 'accepted', claims: { iss: issuer.issuer } })
})

it('standard input that is closed is no token: exit code 2', async () => {
  const { code, stdout, stderr } = await start(['explain', '-'])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('Standard input has no token')
})

it('prints a warning of core as a finding, and not a second time', async () => {
  issuer.fault('metadata', { status: 404 })
  onTestFinished(() => issuer.clearFaults())
  const { code, stdout, stderr } = await start(['doctor'])
  expect([code, stderr]).toEqual([1, ''])
  expect(stdout).toContain('✗ discovery')
})

it('works when its output is not read', async () => {
  const args = ['-c', `"$0" "$1" --help | true; exit "\${PIPESTATUS[0]}"`, process.execPath, command]
  expect((await promisify(execFile)('bash', args)).stderr).toBe('')
})

it.skipIf(process.platform !== 'linux')('says in one line that its output cannot be written', async () => {
  const output = spawn('bash', ['-c', '"$0" "$1" --help > /dev/full', process.execPath, command])
  let stderr = ''
  output.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const [code]: unknown[] = await once(output, 'close')
  expect([code, stderr]).toEqual([3, 'The output cannot be written (ENOSPC)\n'])
})

it('issuer: serves until SIGINT, and then exits with 0', async () => {
  const child = spawn(process.execPath, [command, 'issuer', '--port', '0', '--algorithm', 'ES256'], {
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const exited = once(child, 'exit')
  let text = ''
  for await (const chunk of child.stdout) {
    text += chunk
    if (text.includes('To try')) break
  }
  const [, url = ''] = /^metadata +(\S+)$/m.exec(text) ?? []
  expect((await fetch(url)).status).toBe(200)
  child.kill('SIGINT')
  expect(await exited).toEqual([0, null])
})

describe('a certificate', () => {
  /** Starts an issuer in TLS, and examines it in a process that trusts its certificate. */
  async function examine(commonName: string) {
    const certificate = createCertificate(commonName)
    const url = await serveTls(certificate)
    const file = join(directory, `${commonName}.pem`)
    await writeFile(file, certificate.pem.cert)
    const { code, stdout } = await start(['doctor', url, '--json'], { NODE_EXTRA_CA_CERTS: file })
    const { findings }: { findings: { id: string; outcome: string; message: string; repair?: string }[] } =
      JSON.parse(stdout)
    return { code, tls: findings.find(({ id }) => id === 'tls') }
  }

  it('that is trusted: its end is told', async () => {
    const { code, tls } = await examine('localhost')
    expect([code, tls]).toEqual([
      0,
      {
        id: 'tls',
        outcome: 'good',
        message: expect.stringMatching(
          /^TLSv1\.3; the certificate of localhost:\d+ is valid until 2049-12-31\.$/,
        ),
      },
    ])
  })

  it('for another host: exit code 1', async () => {
    const { code, tls } = await examine('other.example')
    expect(code).toBe(1)
    expect(tls).toMatchObject({
      outcome: 'wrong',
      message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
      repair: expect.stringContaining('another host name'),
    })
  })
})
