import {
  type AuthenticatableRequest,
  getBearerToken,
  InvalidTokenError,
  type NodeRequest,
  watch,
} from '@telnyx-auth/core'
import type { AdapterOptions } from '@telnyx-auth/core/adapter'
import { createAuthenticator, getAuth } from '@telnyx-auth/core/adapter'
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import type { VerifierOptions } from '../../packages/core/src/testing.js'
import {
  AUDIENCE,
  expectRefusal,
  ForgedIssuer,
  goodToken,
  makeKey,
  makeVerifier,
  NOW,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'
import { handleFor } from '../support/request-handle.js'

/** The option `getToken`: where else a request has its token. */

const key = makeKey('ES256')
const issuer = new ForgedIssuer(key)
const token = goodToken(key)
const verifierWith = (getToken: VerifierOptions['getToken'], options: VerifierOptions = {}) =>
  makeVerifier(issuer, { getToken, ...options })
/** What TypeScript would not let through. */
const unchecked = (getToken: unknown) => makeVerifier(issuer, Object.assign({}, { getToken } as object))
const fromHeader = ({ headers }: NodeRequest) => headers['x-access-token']?.toString()
const withToken = (value: string) => ({ headers: { 'x-access-token': value, authorization: 'Basic eDp5' } })

describe('what it returns', () => {
  it('A: is the token, for authenticate and adapters; the header is not looked at', async () => {
    const verifier = verifierWith(fromHeader)
    for (let turn = 0; turn < 3; turn++) {
      await expect(verifier.authenticate(withToken(token))).resolves.toMatchObject({ token })
      expect(
        await createAuthenticator({ verifier }).authenticate(handleFor(), withToken(token)),
      ).toBeUndefined()
    }
    await expectRefusal(
      verifier.authenticate({ headers: { authorization: `Bearer ${token}` } }),
      'N',
      'ERR_TOKEN_MISSING',
    )
  })

  it('A: does not matter to verify', async () => {
    const getToken = vi.fn()
    await expect(verifierWith(getToken).verify(token)).resolves.toBeDefined()
    expect(getToken).not.toHaveBeenCalled()
  })

  it('A: gets the request itself, a web Request too', async () => {
    const seen: unknown[] = []
    const verifier = verifierWith((request) => void seen.push(request))
    const request = new Request(AUDIENCE)
    await expect(verifier.authenticate(request)).rejects.toThrow()
    expect(seen).toEqual([request])
    const web = verifierWith(({ headers }: Request) => headers.get('x-access-token') ?? undefined)
    await expect(
      web.authenticate(new Request(AUDIENCE, { headers: { 'x-access-token': token } })),
    ).resolves.toBeDefined()
  })

  it.each([
    ['', 'ERR_TOKEN_MALFORMED'],
    ['abc', 'ERR_TOKEN_MALFORMED'],
    [`${token} `, 'ERR_TOKEN_MALFORMED'],
    [` ${token}`, 'ERR_TOKEN_MALFORMED'],
    [`Bearer ${token}`, 'ERR_TOKEN_MALFORMED'],
    [`${token}\n`, 'ERR_TOKEN_MALFORMED'],
    [`${token},${token}`, 'ERR_TOKEN_MALFORMED'],
    ['\0', 'ERR_TOKEN_MALFORMED'],
    ['a'.repeat(16_385), 'ERR_TOKEN_TOO_LARGE'],
    [goodToken(key, { exp: NOW - 60 }), 'ERR_TOKEN_EXPIRED'],
    [goodToken(key, { aud: 'https://other.example' }), 'ERR_AUDIENCE_NOT_ALLOWED'],
  ] as const)('R: is checked like any token: case %#', async (value, code) => {
    await expectRefusal(verifierWith(fromHeader).authenticate(withToken(value)), 'R', code, [token])
    const authenticator = createAuthenticator({ verifier: verifierWith(() => value), optional: true })
    expect(await authenticator.authenticate(handleFor(), { headers: {} })).toMatchObject({ status: 401 })
  })

  it('N: undefined is a request without a token, and operators are told', async () => {
    const events: object[] = []
    onTestFinished(watch('tokenRejected', (event) => events.push(event)))
    await expectRefusal(verifierWith(() => undefined).authenticate({ headers: {} }), 'N', 'ERR_TOKEN_MISSING')
    expect(events).toMatchObject([{ code: 'ERR_TOKEN_MISSING', reason: 'get-token-empty' }])
    const authenticator = createAuthenticator({ verifier: verifierWith(() => undefined), optional: true })
    expect(
      await authenticator.authenticate(handleFor(), { headers: { authorization: `Bearer ${token}` } }),
    ).toBeUndefined()
  })

  it('lets API keys pass by, which another middleware judges', async () => {
    const verifier = verifierWith((request) => {
      const credential = getBearerToken(request)
      return credential?.startsWith('KEY') ? undefined : credential
    })
    const authenticator = createAuthenticator({ verifier, optional: true })
    const ask = (authorization: string) =>
      authenticator.authenticate(handleFor(), { headers: { authorization } })
    expect(await ask('Bearer KEY0123456789_abc')).toBeUndefined()
    expect(await ask(`Bearer ${token}`)).toBeUndefined()
    expect(await ask('Bearer abc')).toMatchObject({ status: 401 })
    expect(await ask('Bearer')).toMatchObject({ status: 400 })
    expect(await ask(`Bearer ${token}, Bearer KEY1`)).toMatchObject({ status: 400 })
  })
})

describe('what is a mistake in the program', () => {
  it.each([[null], [42], [true], [{}], [[token]], [new String(token)], [Buffer.from(token)]])(
    'returning %o is loud, and refuses the caller',
    async (value) => {
      const verifier = unchecked(() => value)
      await expect(verifier.authenticate({ headers: {} })).rejects.toMatchObject({
        code: 'ERR_CONFIGURATION',
      })
      const authenticator = createAuthenticator({ verifier, optional: true })
      const requestKey = {}
      await expect(
        (async () => authenticator.authenticate(handleFor(requestKey), { headers: {} }))(),
      ).rejects.toMatchObject({
        code: 'ERR_CONFIGURATION',
      })
      expect(thrownBy(() => getAuth(requestKey))).toMatchObject({ code: 'ERR_CONFIGURATION' })
    },
  )

  it('a promise is loud, fulfilled or rejected, and nothing is left unhandled', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    for (const made of [() => Promise.resolve(token), () => Promise.reject(new Error('mine'))])
      await expect(unchecked(made).authenticate({ headers: {} })).rejects.toMatchObject({
        code: 'ERR_CONFIGURATION',
      })
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
  })

  it.each([
    ['an async function', async () => token],
    [
      'a generator',
      function* () {
        yield token
      },
    ],
    ['a text', 'authorization'],
    ['null', null],
    ['an object', { getToken: () => token }],
  ])('%s is refused at once', (_, getToken) => {
    expect(thrownBy(() => unchecked(getToken))).toMatchObject({ code: 'ERR_CONFIGURATION' })
  })

  it('an option beside a verifier is refused: what a verifier checks is said where it is made', () => {
    const verifier = makeVerifier(issuer)
    expect(thrownBy(() => createAuthenticator({ verifier, getToken: fromHeader }))).toMatchObject({
      code: 'ERR_CONFIGURATION',
    })
  })

  it('what it throws is thrown as it is, and refuses the caller', async () => {
    const mine = new Error('mine')
    const verifier = verifierWith(() => {
      throw mine
    })
    await expect(verifier.authenticate({ headers: {} })).rejects.toBe(mine)
    const authenticator = createAuthenticator({ verifier, optional: true })
    await expect((async () => authenticator.authenticate(handleFor(), { headers: {} }))()).rejects.toBe(mine)
  })

  it('R: an error of ours that it throws is a refusal', async () => {
    const shared = new InvalidTokenError('ERR_TOKEN_REJECTED')
    const verifier = verifierWith(() => {
      throw shared
    })
    const authenticator = createAuthenticator({ verifier, optional: true, scopes: ['a'] })
    for (let turn = 0; turn < 2; turn++) {
      const decision = await authenticator.authenticate(handleFor(), { headers: {} })
      expect(decision).toMatchObject({ status: 401 })
    }
    expect(shared.requiredScopes).toEqual([])
  })
})

describe('types', () => {
  it('in adapters, the parameter is a request of Node', () => {
    const options: AdapterOptions = {
      audience: AUDIENCE,
      getToken: (request) => {
        expectTypeOf(request).toEqualTypeOf<NodeRequest>()
        return request.headers['x-access-token']?.toString()
      },
    }
    expect(options).toBeDefined()
  })

  it('of a verifier, it is the kind of request that the function takes', () => {
    const all: VerifierOptions[] = [
      { getToken: fromHeader },
      { getToken: ({ headers }: Request) => headers.get('x') ?? undefined },
      {
        getToken(request) {
          expectTypeOf(request).toEqualTypeOf<AuthenticatableRequest>()
          return getBearerToken(request)
        },
      },
      { getToken: getBearerToken },
      // @ts-expect-error: it cannot be async
      { getToken: async () => token },
      // @ts-expect-error: undefined says that there is none
      { getToken: () => null },
    ]
    expect(all).toHaveLength(6)
  })
})
