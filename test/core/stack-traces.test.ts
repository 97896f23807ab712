import {
  ConfigurationError,
  createVerifier,
  InsufficientAuthenticationError,
  InsufficientScopeError,
  InvalidRequestError,
  InvalidTokenError,
  MissingTokenError,
  UnavailableError,
} from '@telnyx-auth/core'
import { afterEach, expect, it } from 'vitest'
import { ForgedIssuer, makeVerifier, rejectionOf } from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'

/** To capture a stack trace takes longer than most checks of a token, and callers can cause any number of refusals. */

const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit') ?? expect.fail('V8 has a limit')
afterEach(() => {
  Object.defineProperty(Error, 'stackTraceLimit', limit)
})

const refusals = [
  () => new MissingTokenError(),
  () => new InvalidRequestError('ERR_TOKEN_REPEATED'),
  () => new InvalidTokenError('ERR_TOKEN_EXPIRED'),
  () => new InsufficientScopeError(['a']),
  () => new InsufficientAuthenticationError(),
  () => new UnavailableError('ERR_KEYS_UNAVAILABLE', { retryAfterSeconds: 1 }),
]

it.each(refusals.map((make) => [make().name, make] as const))('%s has none', (name, make) => {
  const error = make()
  expect(error.stack).toBe(`${name}: ${error.message}`)
})

it('a refused token has none', async () => {
  const error = await rejectionOf(makeVerifier(new ForgedIssuer()).verify('not-a-token'))
  expect(error.stack).toBe(`InvalidTokenError: ${error.message}`)
})

it('plain JavaScript can pass null for the details', () => {
  const error = Reflect.construct(InvalidTokenError, ['ERR_TOKEN_EXPIRED', null])
  const { message } = new InvalidTokenError('ERR_TOKEN_EXPIRED')
  expect(error).toMatchObject({ code: 'ERR_TOKEN_EXPIRED', message })
})

it('a mistake of the program has one', () => {
  expect(new ConfigurationError('x').stack).toMatch(/^ConfigurationError: x\n +at .*stack-traces\.test\.ts/)
  const thrown = thrownBy(() => createVerifier({ audience: '' }))
  expect(Object(thrown).stack).toMatch(/\n +at .*stack-traces\.test\.ts/)
})

it.each([0, 1, 50, Number.POSITIVE_INFINITY])('the limit of the program stays: %s', (value) => {
  Error.stackTraceLimit = value
  for (const make of refusals) make()
  expect(Error.stackTraceLimit).toBe(value)
})

it('a program may fix the limit: then refusals have stack traces', () => {
  Object.defineProperty(Error, 'stackTraceLimit', { value: 5, writable: false, configurable: true })
  for (const make of refusals) expect(make().stack).toMatch(/\n +at /)
  expect(Error.stackTraceLimit).toBe(5)
})
