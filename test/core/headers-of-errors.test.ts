import { InvalidTokenError, type TelnyxAuthError, toResponse, UnavailableError } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { thrownBy } from '../support/outcome.js'

/** What others write to errors, or make errors of, becomes no header that cannot be sent, and no success. */

const UNWRITABLE: Readonly<Record<string, unknown>> = {
  'X-Lines': 'a\r\nSet-Cookie: b',
  'X-Dash': 'blocked \u2013 sorry',
  'X-Null': '\0',
  'X Name': 'a',
  'X-Name:': 'a',
  '': 'a',
  'X-Undefined': undefined,
  'X-Object': {},
  'X-Symbol': Symbol('a'),
  'X-List': ['a', 'b\n'],
  'content-LENGTH': '1',
  'Transfer-Encoding': 'chunked',
  Trailer: 'X-Mine',
  'Content-Encoding': 'gzip',
}
const WRITABLE = {
  Vary: 'Origin',
  'X-Latin': 'gesperrt für 1 Stunde',
  'X-Empty': '',
  'X-Number': 5,
  'X-List': ['a'],
}
const BRAND = Symbol.for('@telnyx-auth/core.error')

/** An error as another copy of the package would make it. */
function foreign(members: object): Error {
  return Object.assign(
    new Error('x'),
    { code: 'ERR_NEW', status: 401, headers: {}, [BRAND]: () => ({}) },
    members,
  )
}

describe('headers that others add to an error', () => {
  it.each(Object.entries(UNWRITABLE))('%j is left out, everywhere', (name, value) => {
    const error = new InvalidTokenError('ERR_TOKEN_REJECTED')
    Reflect.set(error, 'headers', { [name]: value, Vary: 'Origin' })
    expect(error.headers).toMatchObject({ Vary: 'Origin', 'Cache-Control': 'no-store' })
    Object.assign(error.headers, { [name]: value })
    for (const thrown of [error, foreign({ headers: { [name]: value, Vary: 'Origin' } })]) {
      const { headers } = toResponse(thrown)
      expect(headers).toMatchObject({ Vary: 'Origin' })
      expect(Object.keys(headers)).not.toContain(name)
    }
    Reflect.set(error, 'headers', { [name]: value })
    expect(Object.keys(error.headers)).toEqual(['WWW-Authenticate', 'Cache-Control'])
  })

  it.each([undefined, null, 'abc', 5])('%j are none', (headers) => {
    const error = new UnavailableError('ERR_KEYS_UNAVAILABLE', { retryAfterSeconds: 1 })
    const before = { ...error.headers }
    Reflect.set(error, 'headers', headers)
    expect(toResponse(error).headers).toMatchObject(before)
    expect(toResponse(foreign({ headers })).headers).toEqual({ 'Content-Type': 'application/json' })
  })

  it('control: all others stay', () => {
    const error = new InvalidTokenError('ERR_TOKEN_REJECTED')
    Reflect.set(error, 'headers', WRITABLE)
    expect(error.headers).toMatchObject(WRITABLE)
    expect(toResponse(error).headers).toMatchObject(WRITABLE)
  })

  it.each(['https://a.example/"\r\nSet-Cookie: a', 'https://a.example/\\', 'https://ä.example'])(
    'metadata that a challenge cannot quote are not in it: %j',
    (resourceMetadata) => {
      const error = Object.assign(new InvalidTokenError('ERR_TOKEN_EXPIRED'), { resourceMetadata })
      expect(error.headers['WWW-Authenticate']).toBe(
        'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
      )
    },
  )
})

describe('what only looks like an error', () => {
  it('a status that becomes a success when it is asked for again is a 500', () => {
    for (const turns of [1, 2, 3]) {
      let asked = 0
      const error = foreign({})
      Object.defineProperty(error, 'status', { get: () => (asked++ < turns ? 401 : 200) })
      expect(toResponse(error).status).toBe(turns === 1 ? 500 : 401)
      // By now it is no error of ours.
      asked = turns
      expect(thrownBy(() => toResponse(error))).toBe(error)
    }
  })

  it.each(['constructor', 'ERR_NEW', '__proto__', undefined])(
    'a code that there is not is a 500: %j',
    (code) => {
      const error: TelnyxAuthError = Object.create(InvalidTokenError.prototype, {
        code: { value: code },
        requiredScopes: { value: [] },
      })
      expect(toResponse(error).status).toBe(500)
    },
  )
})
