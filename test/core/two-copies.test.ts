import { readFile } from 'node:fs/promises'
import { runInNewContext } from 'node:vm'
import * as core from '@telnyx-auth/core'
import { createAuthenticator } from '@telnyx-auth/core/adapter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BundledCore, bundleCore } from '../support/bundled-core.js'
import { AUDIENCE, ForgedIssuer, goodToken, makeKey, makeVerifier, rejectionOf } from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'

/** Two copies of core in one process, one of them minified: names, brand and answers of errors. */

type Core = typeof core

let bundle: BundledCore
let other: Core
beforeAll(async () => {
  bundle = await bundleCore(true)
  other = await import(/* @vite-ignore */ `${bundle.url}?copy=other`)
})
afterAll(() => bundle.remove())

/** An error of each class, made by one of the copies. */
function errorsOf(copy: Core): Readonly<Record<string, core.TelnyxAuthError>> {
  return {
    MissingTokenError: new copy.MissingTokenError(['a']),
    InvalidRequestError: new copy.InvalidRequestError('ERR_TOKEN_REPEATED'),
    InvalidTokenError: new copy.InvalidTokenError('ERR_TOKEN_EXPIRED', { claim: 'exp', reason: 'expired' }),
    InsufficientScopeError: new copy.InsufficientScopeError(['a', 'b']),
    InsufficientAuthenticationError: new copy.InsufficientAuthenticationError({
      acrValues: ['gold'],
      maxAgeSeconds: 60,
    }),
    UnavailableError: new copy.UnavailableError('ERR_KEYS_UNAVAILABLE', { retryAfterSeconds: 7 }),
    ConfigurationError: new copy.ConfigurationError('wrong'),
  }
}

const NAMES = Object.keys(errorsOf(core))
const ANSWERED = NAMES.filter((name) => name !== 'ConfigurationError')

function errorOf(copy: Core, name: string): core.TelnyxAuthError {
  return errorsOf(copy)[name] ?? expect.fail('There is no such error')
}

describe('names of errors', () => {
  it('the bundle is minified: its classes have other names', async () => {
    expect(await readFile(new URL(bundle.url), 'utf8')).not.toMatch(/class InvalidTokenError/)
    expect(other.InvalidTokenError.name).not.toBe('InvalidTokenError')
  })

  it.each(NAMES)('%s has the name of its class, minified or not', (name) => {
    for (const copy of [core, other]) {
      const error = errorOf(copy, name)
      expect(error.name).toBe(name)
      expect(String(error)).toBe(`${name}: ${error.message}`)
      expect(error.stack).toMatch(new RegExp(`^${name}: `))
    }
  })

  it('IssuerFailure too', () => {
    for (const copy of [core, other])
      expect(new copy.IssuerFailure('timeout', 'x', { host: 'h', durationMs: 1 }).name).toBe('IssuerFailure')
  })

  it("a class that users derive has the name of ours, as with JavaScript's own errors, or one that they give it", () => {
    class Derived extends core.InsufficientScopeError {}
    class Named extends core.InsufficientScopeError {
      override readonly name = 'Named'
    }
    expect([new Derived(['a']).name, new Named(['a']).name]).toEqual(['InsufficientScopeError', 'Named'])
  })
})

describe('isTelnyxAuthError', () => {
  it.each(NAMES)('%s: true for the errors of both copies, in both copies', (name) => {
    for (const copy of [core, other])
      for (const from of [core, other]) {
        const error = errorOf(from, name)
        expect(copy.isTelnyxAuthError(error)).toBe(true)
        expect(error instanceof copy.TelnyxAuthError).toBe(copy === from)
      }
  })

  const imitation = {
    name: 'InvalidTokenError',
    message: 'x',
    code: 'ERR_TOKEN_EXPIRED',
    status: 401,
    headers: {},
  }
  it.each<[string, () => unknown]>([
    ['undefined', () => undefined],
    ['null', () => null],
    ['a text', () => 'ERR_TOKEN_EXPIRED'],
    ['an error of another kind', () => new TypeError('x')],
    ['an error that looks like ours', () => Object.assign(new Error('x'), imitation)],
    [
      'parsed JSON that looks like ours',
      () => JSON.parse(JSON.stringify(errorOf(core, 'InvalidTokenError'))),
    ],
    [
      'parsed JSON that names the brand',
      () => JSON.parse(JSON.stringify({ ...imitation, '@telnyx-auth/core.error': 1 })),
    ],
    [
      'an object with the brand that is no error',
      () => ({ ...imitation, [Symbol.for('@telnyx-auth/core.error')]: () => ({}) }),
    ],
    [
      'an error with the brand and a status that is none',
      () =>
        Object.assign(new Error('x'), imitation, {
          status: 200,
          [Symbol.for('@telnyx-auth/core.error')]: () => ({}),
        }),
    ],
    ['an error of another realm', () => runInNewContext('new Error("x")')],
    [
      'a proxy that throws',
      () =>
        new Proxy(new Error('x'), {
          getPrototypeOf() {
            throw new Error('no')
          },
        }),
    ],
  ])('%s: false, and toResponse throws it again', (_, make) => {
    const value = make()
    expect(core.isTelnyxAuthError(value)).toBe(false)
    let thrown: unknown
    try {
      core.toResponse(value)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBe(value)
  })
})

describe('toResponse', () => {
  it.each(ANSWERED)('%s of the other copy: answered as that copy answers', (name) => {
    const error = errorOf(other, name)
    Reflect.set(error, 'resourceMetadata', 'https://api.example.com/.well-known/oauth-protected-resource')
    expect(core.toResponse(error)).toEqual(other.toResponse(error))
    expect(core.toResponse(errorOf(other, name))).toEqual(core.toResponse(errorOf(core, name)))
  })

  it('headers that others have added are in the answer', () => {
    const error = errorOf(other, 'InsufficientScopeError')
    error.headers = { Vary: 'Origin' }
    expect(core.toResponse(error)).toEqual(other.toResponse(error))
    expect(core.toResponse(error).headers).toHaveProperty('Vary')
  })

  it('a ConfigurationError of the other copy is thrown again', () => {
    const error = errorOf(other, 'ConfigurationError')
    expect(thrownBy(() => core.toResponse(error))).toBe(error)
  })

  it('a code that only a newer copy knows is answered as that copy says', () => {
    const error = errorOf(other, 'InvalidTokenError')
    Object.assign(error, { code: 'ERR_OF_THE_FUTURE' })
    expect(core.toResponse(error)).toEqual(other.toResponse(error))
    expect(core.toResponse(error)).toMatchObject({
      status: 401,
      body: { code: 'ERR_OF_THE_FUTURE', error: 'invalid_token' },
    })
  })
})

describe('a validate that throws errors of the other copy', () => {
  const key = makeKey('ES256', 'a')
  const token = goodToken(key)
  const verifying = (validate: core.Validate) =>
    makeVerifier(new ForgedIssuer(key), { scopes: ['messaging.read'], validate }).verify(token)

  it.each(ANSWERED)('%s is refused as one of ours, with all that the operation needs', async (name) => {
    const [theirs, ours] = await Promise.all(
      [other, core].map((copy) =>
        rejectionOf(
          verifying(() => {
            throw errorOf(copy, name)
          }),
        ),
      ),
    )
    expect(theirs).toBeInstanceOf(core.TelnyxAuthError)
    expect(Object.getPrototypeOf(theirs)).toBe(Object.getPrototypeOf(ours))
    expect(theirs?.name).toBe(name)
    expect(core.toResponse(theirs)).toEqual(core.toResponse(ours))
  })

  it('the same one for every request: each says what its own needs, and it stays as it was', async () => {
    const shared = errorOf(other, 'InsufficientScopeError')
    const refuse = () => {
      throw shared
    }
    const verifier = makeVerifier(new ForgedIssuer(key), { validate: refuse })
    for (const scopes of [['messaging.read'], []]) {
      const error = await rejectionOf(verifier.verify(token, { scopes }))
      expect(error.requiredScopes).toEqual([...scopes, 'a', 'b'])
      expect(error).not.toBe(shared)
    }
    expect(shared.requiredScopes).toEqual(['a', 'b'])
  })

  it('one of a class that was derived from theirs stays that', async () => {
    class Derived extends other.InsufficientScopeError {
      readonly #extra = 'x'
      get extra() {
        return this.#extra
      }
    }
    const thrown: unknown = await verifying(() => {
      throw new Derived(['c'])
    }).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(Derived)
    expect(thrown).toMatchObject({ extra: 'x', requiredScopes: ['messaging.read', 'c'] })
    expect(core.toResponse(thrown).headers['WWW-Authenticate']).toContain('scope="messaging.read c"')
  })

  it('operators are told of it', async () => {
    const seen: unknown[] = []
    const end = core.watch('tokenRejected', ({ code, reason }) => seen.push([code, reason]))
    await rejectionOf(
      verifying(() => {
        throw errorOf(other, 'InsufficientScopeError')
      }),
    ).finally(end)
    expect(seen).toEqual([['ERR_SCOPE_INSUFFICIENT', 'scope-missing']])
  })
})

describe('a verifier of the other copy', () => {
  it('is refused by an adapter, which says what the matter is', () => {
    const verifier = other.createVerifier({ issuer: 'https://issuer.example', audience: AUDIENCE })
    expect(thrownBy(() => createAuthenticator({ verifier })).message).toMatch(
      /another copy of @telnyx-auth\/core/,
    )
    expect(thrownBy(() => createAuthenticator({ verifier: {} })).message).not.toMatch(/another copy/)
  })
})
