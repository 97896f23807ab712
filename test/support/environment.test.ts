import { execFile } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { debuglog, promisify } from 'node:util'
import { createVerifier } from '@telnyx-auth/core'
import { expect, it } from 'vitest'
import { cleanEnvironment } from './environment.js'

/** Variables that a developer or a CI may have set, and that would change the outcome of tests. */
const RUBBISH = {
  TELNYX_AUTH_ISSUER: 'http://127.0.0.1:1/rubbish',
  TELNYX_AUTH_AUDIENCE: 'urn:rubbish',
  TELNYX_CLIENT_ID: 'rubbish',
  TELNYX_CLIENT_SECRET: 'rubbish',
  TELNYX_AUTH_TOKEN: 'rubbish',
  TELNYX_AUTH_BASE_URL: 'rubbish',
  TELNYX_BASE_URL: 'rubbish',
  TELNYX_API_KEY: 'KEYrubbish',
  NODE_DEBUG: 'telnyx-auth,http',
  HTTP_PROXY: 'http://127.0.0.1:1',
  https_proxy: 'http://127.0.0.1:1',
  NODE_USE_ENV_PROXY: '1',
  UV_THREADPOOL_SIZE: '1',
  TZ: 'Pacific/Kiritimati',
  LANG: 'tr_TR.UTF-8',
  LC_ALL: 'tr_TR.UTF-8',
  NODE_ENV: 'production',
}

const PROBE = 'a test sees nothing of the environment that it was started in'

it(PROBE, () => {
  const left = Object.keys(process.env).filter((name) =>
    /^TELNYX_|^NODE_DEBUG$|^LANG|^LC_|_proxy$/i.test(name),
  )
  expect(left).toEqual([])
  expect(process.env.NODE_ENV).toBe('test')
  expect(new Date(0).getHours()).toBe(0)
  expect(debuglog('telnyx-auth').enabled).toBe(false)
  expect(createVerifier({ audience: 'urn:mine' }).health().issuer).toBe('https://api.telnyx.com')
})

it('the same, when it is started with wrong values for every variable', async () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
  const args = [vitest, 'run', '--root', root, 'support/environment.test.ts', '-t', PROBE, '--reporter=json']
  // Without the variables that tell a run that it is inside another one.
  const outer = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'))
  const env = { ...Object.fromEntries(outer), ...RUBBISH }
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env }).catch(
    (failed: { stdout: string; stderr: string }) => failed,
  )
  expect(stdout).toContain('"numPassedTests":1,')
})

it('keeps the variables that tests and tools need', () => {
  const needed = {
    PATH: '/bin',
    HOME: '/root',
    NODE_OPTIONS: '--inspect',
    CHROMIUM: '/x',
    UPDATE_SCREENSHOT: '1',
  }
  const environment = { ...needed, ...RUBBISH }
  cleanEnvironment(environment)
  expect(environment).toEqual({ ...needed, NODE_ENV: 'test', TZ: 'UTC' })
})
