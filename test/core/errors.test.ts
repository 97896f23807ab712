import * as core from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { responseParts } from '../../packages/core/src/testing.js'
import { thrownBy } from '../support/outcome.js'

const {
  ConfigurationError,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidProofError,
  InvalidRequestError,
  InvalidTokenError,
  MissingTokenError,
  TelnyxAuthError,
  toResponse,
  UnavailableError,
} = core

/** Every class with every code of the design's table. */
const errors: [core.TelnyxAuthError, string, number, string | undefined][] = [
  [new MissingTokenError(), 'ERR_TOKEN_MISSING', 401, undefined],
  ...(['ERR_REQUEST_MALFORMED', 'ERR_TOKEN_REPEATED'] as const).map(
    (code): [core.TelnyxAuthError, string, number, string] => [
      new InvalidRequestError(code),
      code,
      400,
      'invalid_request',
    ],
  ),
  ...(
    [
      'ERR_TOKEN_MALFORMED',
      'ERR_TOKEN_TOO_LARGE',
      'ERR_ALGORITHM_NOT_ALLOWED',
      'ERR_KEY_NOT_FOUND',
      'ERR_SIGNATURE_INVALID',
      'ERR_TYP_INVALID',
      'ERR_ISSUER_NOT_ALLOWED',
      'ERR_AUDIENCE_NOT_ALLOWED',
      'ERR_TOKEN_EXPIRED',
      'ERR_TOKEN_NOT_YET_VALID',
      'ERR_CLAIM_MISSING',
      'ERR_CLAIM_INVALID',
      'ERR_TOKEN_BOUND',
      'ERR_TOKEN_INACTIVE',
      'ERR_TOKEN_REJECTED',
      'ERR_TOKEN_NOT_BOUND',
      'ERR_BINDING_MISMATCH',
      'ERR_CERTIFICATE_MISSING',
    ] as const
  ).map((code): [core.TelnyxAuthError, string, number, string] => [
    new InvalidTokenError(code),
    code,
    401,
    'invalid_token',
  ]),
  ...(['ERR_DPOP_PROOF_MISSING', 'ERR_DPOP_PROOF_INVALID', 'ERR_DPOP_PROOF_REPLAYED'] as const).map(
    (code): [core.TelnyxAuthError, string, number, string] => [
      new InvalidProofError(code),
      code,
      401,
      'invalid_dpop_proof',
    ],
  ),
  [new InvalidProofError('ERR_DPOP_NONCE_REQUIRED'), 'ERR_DPOP_NONCE_REQUIRED', 401, 'use_dpop_nonce'],
  [new InsufficientScopeError(['a']), 'ERR_SCOPE_INSUFFICIENT', 403, 'insufficient_scope'],
  [
    new InsufficientAuthenticationError(),
    'ERR_AUTHENTICATION_INSUFFICIENT',
    401,
    'insufficient_user_authentication',
  ],
  ...(
    [
      'ERR_DISCOVERY_FAILED',
      'ERR_KEYS_UNAVAILABLE',
      'ERR_INTROSPECTION_UNAVAILABLE',
      'ERR_REPLAY_STORE_UNAVAILABLE',
    ] as const
  ).map((code): [core.TelnyxAuthError, string, number, string] => [
    new UnavailableError(code, { retryAfterSeconds: 7 }),
    code,
    503,
    'temporarily_unavailable',
  ]),
]

describe('every error', () => {
  it('is here', () => {
    expect(errors.map(([, code]) => code).sort()).toEqual(
      Object.keys(responseParts)
        .filter((code) => code !== 'ERR_CONFIGURATION')
        .sort(),
    )
  })

  it.each(errors)('%s: %s, %i, %s', (error, code, status, name) => {
    expect(error).toBeInstanceOf(TelnyxAuthError)
    expect(error).toMatchObject({
      code,
      status,
      statusCode: status,
      expose: status < 500,
      name: error.constructor.name,
    })
    const response = toResponse(error)
    expect(response).toMatchObject({
      status,
      headers: { ...error.headers, 'Content-Type': 'application/json' },
    })
    expect(response.body.code).toBe(code)
    expect(response.body.error).toBe(name)

    const challenge = error.headers['WWW-Authenticate']
    if (status === 503) {
      expect(error.headers).toEqual({ 'Retry-After': '7', 'Cache-Control': 'no-store' })
      return
    }
    // B4, B5, B7: the scheme, at least one parameter, each once, and only characters that need no escape.
    expect(challenge).toMatch(
      /^Bearer [a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]+"(, [a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]+")*$/,
    )
    const names = [...(challenge?.matchAll(/([a-z_]+)="/g) ?? [])].map(([, parameter]) => parameter)
    expect(new Set(names).size).toBe(names.length)
    expect(names.includes('error')).toBe(name !== undefined)
    expect(names.includes('error_description')).toBe(name !== undefined)
  })

  it('P4: a missing token is told the scope that is needed, and no error', () => {
    expect(new MissingTokenError(['a', 'offline_access', 'b']).headers).toEqual({
      'WWW-Authenticate': 'Bearer realm="api", scope="a b"',
      'Cache-Control': 'no-store',
    })
    expect(new MissingTokenError(['offline_access']).headers).toEqual({
      'WWW-Authenticate': 'Bearer realm="api"',
      'Cache-Control': 'no-store',
    })
    expect(toResponse(new MissingTokenError()).body).toEqual({ code: 'ERR_TOKEN_MISSING' })
  })

  it('S1: a step-up names what is needed, and nothing that could break out', () => {
    const challengeOf = (needed: unknown): string | undefined =>
      Reflect.construct(InsufficientAuthenticationError, [needed]).headers['WWW-Authenticate']
    expect(challengeOf({ acrValues: ['urn:gold', 'b'], maxAgeSeconds: 0 })).toMatch(
      /, acr_values="urn:gold b", max_age="0"$/,
    )
    for (const value of ['"', '\\', 'a b', '\r\nX: y', 'ä'])
      expect(challengeOf({ acrValues: ['x', value], maxAgeSeconds: value })).toMatch(/, acr_values="x"$/)
    expect(challengeOf({ maxAgeSeconds: Number.NaN })).not.toContain('max_age')
    expect(new InsufficientAuthenticationError({ acrValues: ['a'] })).toMatchObject({
      acrValues: ['a'],
      maxAgeSeconds: undefined,
    })
  })

  it.each(errors)('%s: what a framework writes to can be written to', (error) => {
    // Koa assigns the status, @koa/cors the headers; an accessor without a setter would throw there.
    const copy: Error = Object.create(error)
    Object.assign(copy, { status: 418, statusCode: 418, expose: true, headers: { Vary: 'Origin' } })
    expect(copy).toMatchObject({ status: 418, statusCode: 418, expose: true, headers: { Vary: 'Origin' } })
    expect(error.status).not.toBe(418)
  })

  it('headers that were assigned are answered', () => {
    const error = new MissingTokenError()
    error.headers = { ...error.headers, Vary: 'Origin' }
    expect(toResponse(error).headers).toEqual({
      'WWW-Authenticate': 'Bearer realm="api"',
      Vary: 'Origin',
      'Cache-Control': 'no-store',
      'Content-Type': 'application/json',
    })
    // They do not take the challenge away.
    error.headers = { 'X-Mine': '1' }
    expect(error.headers).toEqual({
      'WWW-Authenticate': 'Bearer realm="api"',
      'Cache-Control': 'no-store',
      'X-Mine': '1',
    })
  })

  it('Retry-After is a whole number, also where the error was created with another value', () => {
    const make = (retryAfterSeconds: unknown): core.UnavailableError =>
      Reflect.construct(UnavailableError, ['ERR_KEYS_UNAVAILABLE', { retryAfterSeconds }])
    for (const [given, header] of [
      [7, '7'],
      [0.2, '1'],
      [0, '0'],
      ['1\r\nX: y', '1'],
      [Number.NaN, '1'],
      [-5, '1'],
      [Number.POSITIVE_INFINITY, '1'],
      [undefined, '1'],
    ])
      expect(make(given).headers).toEqual({ 'Retry-After': header, 'Cache-Control': 'no-store' })
  })

  it('has lists that cannot be changed, and no cause where there is none', () => {
    expect(Object.isFrozen(new InsufficientScopeError(['a']).requiredScopes)).toBe(true)
    expect(Object.isFrozen(new InsufficientAuthenticationError({ acrValues: ['a'] }).acrValues)).toBe(true)
    expect(new MissingTokenError()).not.toHaveProperty('cause')
    for (const maxAgeSeconds of [0.5, -1, '5', Number.POSITIVE_INFINITY, 2 ** 53])
      expect(
        Reflect.construct(InsufficientAuthenticationError, [{ maxAgeSeconds }]).maxAgeSeconds,
      ).toBeUndefined()
  })

  it('names the claim at fault, and has no such member otherwise', () => {
    const error = new InvalidTokenError('ERR_CLAIM_MISSING', { claim: 'exp' })
    expect(error.claim).toBe('exp')
    expect(error.message).toBe('The access token lacks a required claim: "exp"')
    expect(new InvalidTokenError('ERR_TOKEN_EXPIRED')).not.toHaveProperty('claim')
  })
})

describe('toResponse', () => {
  it('gives back what is not an answer to the caller', () => {
    for (const error of [
      new Error('mine'),
      new ConfigurationError('mine'),
      'text',
      undefined,
      null,
      { code: 'ERR_TOKEN_EXPIRED' },
    ]) {
      let thrown: unknown = 'nothing'
      try {
        toResponse(error)
      } catch (caught) {
        thrown = caught
      }
      expect(thrown).toBe(error)
    }
    expect(thrownBy(() => toResponse(new ConfigurationError('x')))).toMatchObject({
      status: 500,
      expose: false,
    })
  })
})

it('toResponse does not follow what was written to the error, but for its headers', () => {
  const error = new MissingTokenError()
  Object.assign(error, {
    status: 200,
    statusCode: 200,
    expose: false,
    message: 'mine',
    headers: { 'Content-Type': 'text/html', 'X-Mine': '1' },
  })
  expect(toResponse(error)).toEqual({
    status: 401,
    headers: {
      'WWW-Authenticate': 'Bearer realm="api"',
      'Cache-Control': 'no-store',
      'Content-Type': 'application/json',
      'X-Mine': '1',
    },
    body: { code: 'ERR_TOKEN_MISSING' },
  })
})

it('toResponse has a challenge even if a derived class has headers of its own', () => {
  // As a field of a class in JavaScript does it.
  const error = new InvalidTokenError('ERR_TOKEN_REJECTED')
  Object.defineProperty(error, 'headers', { value: { 'X-Mine': '1' } })
  expect(toResponse(error).headers).toMatchObject({
    'WWW-Authenticate': expect.stringContaining('invalid_token'),
    'X-Mine': '1',
  })
})

describe('what the package exports', () => {
  it('is this', () => {
    expect(Object.keys(core).sort()).toEqual([
      'ConfigurationError',
      'InsufficientAuthenticationError',
      'InsufficientScopeError',
      'InvalidProofError',
      'InvalidRequestError',
      'InvalidTokenError',
      'IssuerFailure',
      'MissingTokenError',
      'TelnyxAuthError',
      'UnavailableError',
      'channels',
      'createMemoryReplayStore',
      'createVerifier',
      'getAccessToken',
      'getBearerToken',
      'isTelnyxAuthError',
      'leftOutReasons',
      'toResponse',
      'verify',
      'watch',
    ])
  })
})
