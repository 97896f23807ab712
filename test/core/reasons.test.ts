import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { InvalidTokenError, MissingTokenError, type Reason, toResponse, watch } from '@telnyx-auth/core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { hints } from '../../packages/core/src/reasons.js'
import { warnOnce } from '../../packages/core/src/warnings.js'
import { type CompiledCore, compileCore } from '../support/compiled-core.js'
import { ForgedIssuer, goodToken, makeKey, makeVerifier, NOW, rejectionOf } from '../support/forge.js'

/** Why a request was refused is for operators: on the error, in the event and in the log, never in the answer. */

const key = makeKey('ES256', 'good')

describe('the table of reasons', () => {
  it.each(Object.entries(hints))(
    '%s has a word that is stable and one fixed sentence or two',
    (reason, hint) => {
      expect(reason).toMatch(/^[a-z]+(-[a-z0-9]+)*$/)
      expect(hint).toMatch(/^[A-Z].*\.$/)
    },
  )
})

describe('errors carry the reason and the hint', () => {
  const rows: readonly [string, object, object, Reason, string | undefined][] = [
    ['expired long ago', { exp: NOW - 3600 }, {}, 'expired', 'exp'],
    ['expired just now', { exp: NOW - 6 }, {}, 'expired-just-now', 'exp'],
    ['issued by a clock that is ahead', { iat: NOW + 60 }, {}, 'clock-behind', 'iat'],
    ['issued in the future', { iat: NOW + 3600 }, {}, 'issued-in-future', 'iat'],
    ['not valid yet', { nbf: NOW + 3600 }, {}, 'not-before', 'nbf'],
    ['another audience', { aud: 'https://other.example' }, {}, 'audience-other', 'aud'],
    ['the audience with a slash', { aud: 'https://api.example.com/' }, {}, 'audience-slash', 'aud'],
    ['an ID token', { aud: 'client-1', nonce: 'n' }, {}, 'audience-client-id', 'aud'],
    ['another issuer', { iss: 'https://test.issuer.example' }, {}, 'issuer-unknown', 'iss'],
    ['the issuer with a slash', { iss: 'https://issuer.example/' }, {}, 'issuer-slash', 'iss'],
    ['no exp', { exp: undefined }, {}, 'claim-missing', 'exp'],
    ['exp of a wrong type', { exp: '1' }, {}, 'claim-of-wrong-type', 'exp'],
    ['bound to a key', { cnf: { jkt: 'x' } }, {}, 'bound', 'cnf'],
    ['a logout token', {}, { typ: 'logout+jwt' }, 'typ-not-access-token', undefined],
    ['a critical header', {}, { crit: ['x'] }, 'critical-header', undefined],
    ['a key that is not known', {}, { kid: 'stranger' }, 'key-unknown', undefined],
  ]

  it.each(rows)('%s', async (_, claims, header, reason, claim) => {
    const verifier = makeVerifier(new ForgedIssuer(key))
    const events: object[] = []
    onTestFinished(watch('tokenRejected', (event) => events.push(event)))
    const error = await rejectionOf(verifier.verify(goodToken(key, claims, header)))
    expect(error).toMatchObject({ reason, hint: hints[reason] })
    expect(events).toEqual([
      expect.objectContaining({ code: error.code, claim, reason, hint: hints[reason] }),
    ])
    expect(JSON.stringify(toResponse(error))).not.toContain(hints[reason])
    expect(JSON.stringify(toResponse(error))).not.toContain('reason')
  })

  it('only reasons of the table: the constructors are public', () => {
    const error: Error = Reflect.construct(InvalidTokenError, ['ERR_TOKEN_REJECTED', { reason: 'toString' }])
    expect(error).not.toHaveProperty('reason')
    expect(new MissingTokenError()).not.toHaveProperty('hint')
  })
})

describe('warnings for what only a person can repair', () => {
  it('once per issuer and cause, with the code', async () => {
    const warnings: Error[] = []
    const listener = (warning: Error) => warnings.push(warning)
    process.on('warning', listener)
    onTestFinished(() => void process.off('warning', listener))
    for (const issuer of ['https://a.example', 'https://b.example', 'https://a.example'])
      for (const cause of ['one', 'two'])
        warnOnce('ERR_DISCOVERY_FAILED', issuer, cause, `${issuer} ${cause}`)
    await new Promise(setImmediate)
    expect(warnings.map(({ message }) => message)).toEqual([
      'https://a.example one',
      'https://a.example two',
      'https://b.example one',
      'https://b.example two',
    ])
    for (const warning of warnings)
      expect(warning).toMatchObject({ name: 'TelnyxAuthWarning', code: 'ERR_DISCOVERY_FAILED' })
  })
})

describe('NODE_DEBUG=telnyx-auth', () => {
  let core: CompiledCore
  beforeAll(async () => {
    core = await compileCore()
  }, 60_000)
  afterAll(() => core.remove())

  const program = fileURLToPath(new URL('../support/refused-requests.mjs', import.meta.url))
  const run = (debug: string) =>
    spawnSync(process.execPath, [program, core.url], {
      env: { ...process.env, NODE_DEBUG: debug },
      encoding: 'utf8',
    })

  it('writes one line for each refusal and each failed refresh, and no token', () => {
    const { stderr, stdout } = run('telnyx-auth')
    expect(stdout).toBe('done\n')
    const lines = stderr.split('\n').filter((line) => line.startsWith('TELNYX-AUTH'))
    const refresh = 'refreshFailed issuer="https://issuer.example/%7Eone" document='
    for (const [index, text] of [
      'tokenRejected code="ERR_TOKEN_MISSING" reason="no-credentials"',
      'tokenRejected code="ERR_TOKEN_MALFORMED" reason="not-three-parts"',
      `${refresh}"metadata" code="ERR_DISCOVERY_FAILED"`,
      `${refresh}"keys" code="ERR_DISCOVERY_FAILED"`,
      'tokenRejected code="ERR_DISCOVERY_FAILED"',
    ].entries())
      expect(lines[index]).toContain(text)
    expect(lines).toHaveLength(5)
    expect(stderr).not.toMatch(/secret-token|eyJ/)
  })

  it('writes nothing without it', () => {
    expect(run('').stderr).not.toContain('TELNYX-AUTH')
  })
})
