import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  InvalidTokenError,
  MissingTokenError,
  type Policy,
  type Reason,
  toResponse,
  watch,
} from '@telnyx-auth/core'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { forgetWarnings, hints, warnOnce } from '../../packages/core/src/testing.js'
import { compileCore } from '../support/compiled-core.js'
import {
  ForgedIssuer,
  forge,
  goodClaims,
  goodHeader,
  goodToken,
  makeKey,
  makeVerifier,
  NOW,
  rejectionOf,
  TestClock,
  withMembers,
} from '../support/forge.js'

beforeEach(forgetWarnings)

/** Why a request was refused is for operators: on the error, in the event and in the log, never in the answer. */

const key = makeKey('ES256', 'good')
const other = makeKey('ES256', 'other')

/** Expects a refusal whose error and event say why, and whose answer does not. */
async function expectReason(refused: () => Promise<unknown>, reason: Reason, claim?: string): Promise<void> {
  const events: object[] = []
  onTestFinished(watch('tokenRejected', (event) => events.push(event)))
  const error = await rejectionOf(refused())
  expect(error).toMatchObject({ reason, hint: hints[reason] })
  expect(events).toEqual([expect.objectContaining({ code: error.code, claim, reason, hint: hints[reason] })])
  const answer = JSON.stringify(toResponse(error))
  expect(answer).not.toContain(hints[reason])
  expect(answer).not.toContain('reason')
}

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
    ['an algorithm of no signature', {}, { alg: 'none' }, 'algorithm-not-supported', undefined],
    ['an algorithm that is not allowed', {}, { alg: 'RS512' }, 'algorithm-not-listed', undefined],
    ['an algorithm of another key', {}, { alg: 'RS256' }, 'key-of-other-algorithm', undefined],
    ['a key id that is a number', {}, { kid: 1 }, 'kid-not-a-string', undefined],
  ]

  it.each(rows)('%s', async (_, claims, header, reason, claim) => {
    const verifier = makeVerifier(new ForgedIssuer(key), { algorithms: ['ES256', 'RS256'] })
    await expectReason(() => verifier.verify(goodToken(key, claims, header)), reason, claim)
  })

  const [header, payload] = [goodHeader(key), goodClaims()]
  const forms: readonly (readonly [what: string, token: string, Reason])[] = [
    ['a signature of another key', goodToken({ ...other, kid: key.kid }), 'signature-wrong'],
    ['padding', `${goodToken(key)}=`, 'not-base64url'],
    ['bytes that are no text', forge(header, Buffer.from([0x7b, 0xff, 0x7d]), key), 'not-utf8'],
    ['no JSON', forge(header, '{', key), 'not-json'],
    ['an array', forge(header, [], key), 'not-an-object'],
    ['a deep nest', forge(header, `{"a":${'['.repeat(64)}${']'.repeat(64)}}`, key), 'too-deep'],
    ['a repeated member', forge(header, withMembers(payload, '"sub":"user-2"'), key), 'repeated-member'],
    ['more bytes than are read', 'x'.repeat(20_000), 'too-large'],
    ['five parts', 'a.b.c.d.e', 'encrypted'],
    ['two parts', 'a.b', 'not-three-parts'],
  ]

  it.each(forms)('%s', async (_, token, reason) => {
    await expectReason(() => makeVerifier(new ForgedIssuer(key)).verify(token), reason)
  })

  const policies: readonly (readonly [what: string, Policy, Reason])[] = [
    ['a validate that says no', { validate: () => false }, 'validate-refused'],
    ['a scope that is missing', { scopes: ['admin'] }, 'scope-missing'],
    ['a class of authentication that is missing', { acrValues: ['urn:strong'] }, 'acr-insufficient'],
    ['an authentication that is too old', { maxAgeSeconds: 60 }, 'authentication-too-old'],
  ]

  it.each(policies)('%s', async (_, policy, reason) => {
    const verifier = makeVerifier(new ForgedIssuer(key))
    const token = goodToken(key, { auth_time: NOW - 3600 })
    await expectReason(() => verifier.verify(token, policy), reason)
  })

  it('a clock that does not tell the time', async () => {
    const clock = Object.assign(new TestClock(), { now: () => Number.NaN })
    await expectReason(
      () => makeVerifier(new ForgedIssuer(key), {}, clock).verify(goodToken(key)),
      'clock-broken',
    )
  })

  it.each<[what: string, authorization: string | string[], Reason]>([
    ['no blank after the scheme', 'Bearer', 'header-malformed'],
    ['quotes around the token', 'Bearer "x.y.z"', 'header-malformed'],
    ['two tokens in one header', 'Bearer x.y.z, Bearer x.y.z', 'token-repeated'],
    ['two schemes in one header', 'Basic eA==, Bearer x.y.z', 'token-repeated'],
    ['two headers', ['Bearer x.y.z', 'Bearer x.y.z'], 'token-repeated'],
  ])('%s', async (_, authorization, reason) => {
    const verifier = makeVerifier(new ForgedIssuer(key))
    await expectReason(() => verifier.authenticate({ headers: { authorization } }), reason)
  })

  it('an answer of the issuer that is too large', async () => {
    const verifier = makeVerifier(new ForgedIssuer(key), { maxResponseBytes: 10 })
    await expectReason(() => verifier.verify(goodToken(key)), 'response-too-large')
  })

  it('metadata without an introspection endpoint: in the warning too', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const verifier = makeVerifier(new ForgedIssuer(key), {
      introspection: { when: 'opaque', clientId: 'api', clientSecret: 'secret' },
    })
    const reason = 'introspection-endpoint-missing'
    await expectReason(() => verifier.verify('opaque-token'), reason)
    expect(emitWarning).toHaveBeenCalledWith(expect.stringContaining(hints[reason]), expect.anything())
  })

  it('only reasons of the table: the constructors are public', () => {
    const error: Error = Reflect.construct(InvalidTokenError, ['ERR_TOKEN_REJECTED', { reason: 'toString' }])
    expect(error).not.toHaveProperty('reason')
    expect(new MissingTokenError()).not.toHaveProperty('hint')
  })
})

describe('errors that a validate of the user throws', () => {
  it.each([
    ['a claim', 'https://example.com/roles', 'https://example.com/roles'],
    ['a token', goodToken(key), undefined],
    ['a value with blanks', 'Jane Doe, born 1970', undefined],
    ['several lines', 'sub\nforged line', undefined],
  ])('the event names %s only if it can be a claim', async (_, claim, told) => {
    const events: object[] = []
    onTestFinished(watch('tokenRejected', (event) => events.push(event)))
    const validate = () => {
      throw new InvalidTokenError('ERR_TOKEN_REJECTED', { claim })
    }
    const error = await rejectionOf(makeVerifier(new ForgedIssuer(key)).verify(goodToken(key), { validate }))
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REJECTED', claim })
    expect(events).toEqual([expect.objectContaining({ code: 'ERR_TOKEN_REJECTED', claim: told })])
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
  let core: string
  beforeAll(async () => {
    core = await compileCore()
  })

  const program = fileURLToPath(new URL('../support/refused-requests.mjs', import.meta.url))
  const run = (debug: string) =>
    spawnSync(process.execPath, [program, core], {
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
      'tokenRejected code="ERR_DISCOVERY_FAILED"',
      'tokenRejected code="ERR_ISSUER_NOT_ALLOWED" claim="iss" reason="issuer-unknown" expectedIssuer="https://issuer.example/%7Eone"',
    ].entries())
      expect(lines[index]).toContain(text)
    expect(lines).toHaveLength(5)
    // The keys were not asked for, so no second line says that they are missing.
    expect(lines[2]).toMatch(
      / durationMs=\d+ status=404 pauseMs=\d+ message="The response has the status 404, at /,
    )
    expect(stderr).not.toMatch(/secret-token|of-the-token|eyJ/)
  })

  it('writes nothing without it', () => {
    expect(run('').stderr).not.toContain('TELNYX-AUTH')
  })
})
