import { InvalidTokenError, watch } from '@telnyx-auth/core'
import {
  createAuthenticator,
  createGuards,
  type Decision,
  getAuth,
  policiesOf,
  respondOrNext,
} from '@telnyx-auth/core/adapter'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createIssuerInReach } from '../support/issuer.js'
import { thrownBy } from '../support/outcome.js'
import { handleFor } from '../support/request-handle.js'

/** What adapters rely on, without a framework. */

const { issuer, bearer, reach } = await createIssuerInReach()

const request = async (scopes: string[]) => ({ headers: await bearer({ scopes }) })

/** Guards without a framework: they return the decision. */
const { requireAuth, requireScopes } = createGuards(
  (authorize) => (requestKey: object) => authorize(handleFor(requestKey)),
)

const challengeOf = (decision: Decision) => decision?.headers['WWW-Authenticate']

describe('a authenticator that defers', () => {
  it('authenticates when a guard asks; of two, the later one', async () => {
    const requestKey = {}
    const weak = await request(['a'])
    createAuthenticator(reach()).defer(handleFor(requestKey), weak)
    createAuthenticator({ ...reach(), scopes: ['b'] }).defer(handleFor(requestKey), weak)
    expect(await requireAuth()(requestKey)).toMatchObject({ status: 403 })
  })

  it('decides for itself after another authenticator refused', async () => {
    const requestKey = {}
    const good = await request(['a'])
    const other = createAuthenticator({ ...reach(), audience: 'urn:other' })
    expect(await other.authenticate(handleFor(requestKey), good)).toMatchObject({ status: 401 })
    createAuthenticator(reach()).defer(handleFor(requestKey), good)
    expect(await requireAuth()(requestKey)).toBeUndefined()
    expect(getAuth(requestKey).scopes).toEqual(['a'])
  })
})

it('a guard names what it needs where its route is not known', async () => {
  const requestKey = {}
  await createAuthenticator({ ...reach(), optional: true }).authenticate(handleFor(requestKey), {
    headers: {},
  })
  expect(challengeOf(await requireScopes('a')(requestKey))).toContain('scope="a"')
})

it('a guard tells operators why an anonymous caller has no token', async () => {
  const requestKey = {}
  const events: object[] = []
  onTestFinished(watch('tokenRejected', (event) => events.push(event)))
  const proxied = { headers: { 'x-forwarded-for': '192.0.2.1' } }
  await createAuthenticator({ ...reach(), optional: true }).authenticate(handleFor(requestKey), proxied)
  expect(events).toEqual([])
  expect(await requireAuth()(requestKey)).toMatchObject({ status: 401 })
  expect(events).toMatchObject([{ code: 'ERR_TOKEN_MISSING', reason: 'authorization-stripped' }])
})

describe('setAuth', () => {
  it('gets the caller, and a guard that finds no other caller does not call it again', async () => {
    const setAuth = vi.fn()
    const handle = handleFor({}, { setAuth })
    await createAuthenticator(reach()).authenticate(handle, await request(['a']))
    expect(setAuth.mock.calls).toMatchObject([[{ scopes: ['a'] }, {}]])
    await createGuards((authorize) => () => authorize(handle)).requireAuth()()
    expect(setAuth).toHaveBeenCalledTimes(1)
  })

  it('gets undefined for an anonymous or refused caller, each time', async () => {
    for (const options of [{ optional: true }, { audience: 'urn:other', optional: true }, {}]) {
      const setAuth = vi.fn()
      const handle = handleFor({}, { setAuth })
      const authenticator = createAuthenticator({ ...reach(), ...options })
      for (let turn = 1; turn < 3; turn++) {
        await authenticator.authenticate(handle, { headers: {} })
        expect(setAuth.mock.calls).toEqual(Array.from({ length: turn }, () => [undefined, {}]))
      }
    }
  })

  it('gets null while authentication is deferred, unless another authenticator has decided', async () => {
    const setAuth = vi.fn()
    const handle = handleFor({}, { setAuth })
    const good = await request(['a'])
    createAuthenticator(reach()).defer(handle, good)
    expect(setAuth.mock.calls).toEqual([[null, {}]])
    expect(thrownBy(() => getAuth(handle.requestKey))).toMatchObject({ code: 'ERR_CONFIGURATION' })
    await createAuthenticator(reach()).authenticate(handle, good)
    createAuthenticator(reach()).defer(handle, good)
    expect(setAuth.mock.calls.slice(1)).toMatchObject([
      [{ scopes: ['a'] }, {}],
      [{ scopes: ['a'] }, {}],
    ])
    expect(getAuth(handle.requestKey).scopes).toEqual(['a'])
  })

  it('gets the own options of the authenticator that decided, also from a guard', async () => {
    const setAuth = vi.fn()
    const handle = handleFor({}, { setAuth })
    const own = { decorator: 'property', global: 'switch' } as const
    createAuthenticator({ ...reach(), decorator: 'telnyx' }, own).defer(handle, await request(['a']))
    await createGuards((authorize) => () => authorize(handle)).requireAuth()()
    expect(setAuth.mock.calls).toMatchObject([
      [null, { decorator: 'telnyx' }],
      [{ scopes: ['a'] }, { decorator: 'telnyx' }],
    ])
  })

  it('may throw: the decision does not depend on it', async () => {
    const setAuth = () => {
      throw undefined
    }
    const authenticator = createAuthenticator(reach())
    const handle = handleFor({}, { setAuth })
    expect(await authenticator.authenticate(handle, await request(['a']))).toBeUndefined()
    expect(getAuth(handle.requestKey).scopes).toEqual(['a'])
    expect(await authenticator.authenticate(handle, { headers: {} })).toMatchObject({ status: 401 })
  })
})

describe('routePolicies', () => {
  const challengeWith = async (routePolicies: () => never) => {
    const handle = handleFor({}, { routePolicies })
    return challengeOf(
      await createAuthenticator({ ...reach(), scopes: ['a'] }).authenticate(handle, { headers: {} }),
    )
  }

  it.each<[string, () => unknown, string]>([
    ['plain policies', () => [{ scopes: ['b'] }, { anyScope: ['c', 'a'] }, {}], 'a b c'],
    ['the policies of guards', () => policiesOf([requireScopes('b'), () => {}, requireAuth()]), 'a b'],
    ['something else', () => 'b', 'a'],
    ['policies of something else', () => [{ scopes: 'b', anyScope: [1, null] }, null], 'a b'],
    [
      'an error',
      () => {
        throw new Error('mine')
      },
      'a',
    ],
  ])('%s', async (_, routePolicies, scope) => {
    expect(await challengeWith(routePolicies as () => never)).toContain(`scope="${scope}"`)
  })

  it('are not asked for when the request is accepted', async () => {
    const routePolicies = vi.fn(() => [])
    const handle = handleFor({}, { routePolicies })
    expect(await createAuthenticator(reach()).authenticate(handle, await request(['a']))).toBeUndefined()
    expect(routePolicies).not.toHaveBeenCalled()
  })

  it('a guard keeps the policy that it was created with', () => {
    const scopes: [string] = ['a']
    const guard = requireAuth({ scopes })
    scopes[0] = 'b'
    expect(policiesOf([guard])).toEqual([{ scopes: ['a'] }])
  })
})

describe('where a program has replaced the global Promise', () => {
  // As zone.js does: async functions still return the promises of the language.
  class OtherPromise<T> extends Promise<T> {}

  it('what an adapter decides with a promise of its own is waited for', async () => {
    const next = vi.fn()
    const refusal = { status: 401, headers: {}, body: undefined }
    const decided = OtherPromise.resolve(refusal)
    vi.stubGlobal('Promise', class extends Promise<unknown> {})
    const write = vi.fn()
    respondOrNext(() => decided, undefined, { ...handleFor(), write, next })
    await decided
    expect(write).toHaveBeenCalledWith(refusal)
    expect(next).not.toHaveBeenCalled()
  })
})

describe('a refused caller', () => {
  it('is refused again by later guards and getAuth()', async () => {
    const requestKey = {}
    const authenticator = createAuthenticator({ ...reach(), scopes: ['b'] })
    const weak = await request(['a'])
    expect(await authenticator.authenticate(handleFor(requestKey), weak)).toMatchObject({ status: 403 })
    expect(await requireAuth()(requestKey)).toMatchObject({ status: 403 })
    expect(thrownBy(() => getAuth(requestKey))).toMatchObject({
      code: 'ERR_SCOPE_INSUFFICIENT',
      requiredScopes: ['b'],
    })
  })

  it('is not validated again: a validate may return something else the second time', async () => {
    const requestKey = {}
    let asked = 0
    const authenticator = createAuthenticator({ ...reach(), validate: () => ++asked > 1 })
    const good = await request(['a'])
    for (let turn = 0; turn < 3; turn++)
      expect(
        await (turn === 0
          ? authenticator.authenticate(handleFor(requestKey), good)
          : requireAuth()(requestKey)),
      ).toMatchObject({
        status: 401,
      })
    expect(asked).toBe(1)
    // Another authenticator may admit who was refused by the first one.
    expect(await createAuthenticator(reach()).authenticate(handleFor(requestKey), good)).toBeUndefined()
    expect(await requireAuth()(requestKey)).toBeUndefined()
  })

  it('gets the same 503 again, when the issuer was down', async () => {
    const requestKey = {}
    // The shortest backoff.
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const authenticator = createAuthenticator({
      ...reach(),
      fetch: () => Promise.reject(new TypeError('fetch failed')),
    })
    expect(await authenticator.authenticate(handleFor(requestKey), await request(['a']))).toMatchObject({
      status: 503,
    })
    expect(await requireAuth()(requestKey)).toMatchObject({ status: 503, headers: { 'Retry-After': '5' } })
  })

  it('with an error that throws when it is looked at is refused all the same', async () => {
    class Hostile extends InvalidTokenError {
      protected override get challenge(): never {
        throw undefined
      }
    }
    const authenticator = createAuthenticator({
      ...reach(),
      validate: () => Promise.reject(new Hostile('ERR_TOKEN_REJECTED')),
    })
    await expect(authenticator.authenticate(handleFor(), await request([]))).rejects.toBeInstanceOf(Error)
  })
})

it('what a validate throws that is no error becomes the cause of one', async () => {
  const authenticator = createAuthenticator({ ...reach(), validate: () => Promise.reject('route') })
  const outcome = authenticator.authenticate(handleFor(), await request([]))
  await expect(outcome).rejects.toMatchObject({ cause: 'route' })
  await expect(outcome).rejects.toBeInstanceOf(Error)
})

it('a token that the issuer calls inactive is refused by everything after it', async () => {
  const [{ clientId, clientSecret } = {}] = issuer.clients
  const authenticator = createAuthenticator({
    ...reach(),
    introspection: { clientId, clientSecret, when: 'opaque' },
  })
  const requestKey = {}
  const good = await request(['a'])
  expect(await authenticator.authenticate(handleFor(requestKey), good)).toBeUndefined()
  expect(await requireAuth({ introspection: 'always' })(requestKey)).toBeUndefined()
  expect(getAuth(requestKey).verifiedBy).toBe('both')

  const later = {}
  const withdrawn = await request(['a'])
  expect(await authenticator.authenticate(handleFor(later), withdrawn)).toBeUndefined()
  issuer.revoke(withdrawn.headers.authorization.replace('Bearer ', ''))
  expect(await requireAuth({ introspection: 'always' })(later)).toMatchObject({ status: 401 })
  expect(await requireAuth()(later)).toMatchObject({ status: 401 })
  expect(thrownBy(() => getAuth(later))).toMatchObject({ code: 'ERR_TOKEN_INACTIVE' })
})

describe('a guard that asks the issuer', () => {
  /** An issuer that says this of the scopes, and what was asked of the token so far. */
  async function createConfirming(scope: string, options: object = {}) {
    const [{ clientId, clientSecret } = {}] = issuer.clients
    issuer.fault('introspection', { body: { active: true, scope } })
    onTestFinished(() => issuer.clearFaults())
    const authenticator = createAuthenticator({
      ...reach(),
      introspection: { clientId, clientSecret, when: 'opaque' },
      ...options,
    })
    const requestKey = {}
    const decide = await authenticator.authenticate(handleFor(requestKey), await request(['a', 'b']))
    expect(decide).toBeUndefined()
    return { authenticator, requestKey }
  }
  const always = requireAuth({ introspection: 'always' })

  it('asks no validate twice, unless scopes were withdrawn', async () => {
    const validate = vi.fn()
    const { requestKey } = await createConfirming('b a', { validate })
    for (let n = 0; n < 10; n++) expect(await always(requestKey)).toBeUndefined()
    expect(validate).toHaveBeenCalledTimes(1)
    const { requestKey: narrowed } = await createConfirming('a', { validate })
    for (let n = 0; n < 10; n++) expect(await always(narrowed)).toBeUndefined()
    expect(validate).toHaveBeenCalledTimes(3)
  })

  it('tells what it heard to those after it, also when it refuses', async () => {
    const { requestKey } = await createConfirming('a')
    expect(await requireAuth({ introspection: 'always', scopes: ['b'] })(requestKey)).toMatchObject({
      status: 403,
    })
    expect(getAuth(requestKey).scopes).toEqual(['a'])
    expect(await requireScopes('b')(requestKey)).toMatchObject({ status: 403 })
  })

  it('applies the policies of every authenticator before it', async () => {
    const { requestKey } = await createConfirming('a', { scopes: ['b'] })
    const [{ clientId, clientSecret } = {}] = issuer.clients
    const second = createAuthenticator({
      ...reach(),
      introspection: { clientId, clientSecret, when: 'opaque' },
    })
    expect(await second.authenticate(handleFor(requestKey), await request(['a', 'b']))).toBeUndefined()
    expect(await always(requestKey)).toMatchObject({ status: 403 })
  })

  it('takes a refusal of a validate for what it is, with any code', async () => {
    const { requestKey } = await createConfirming('a b')
    const validate = () => Promise.reject(new InvalidTokenError('ERR_TOKEN_INACTIVE'))
    expect(await requireAuth({ validate })(requestKey)).toMatchObject({ status: 401 })
    expect(await requireAuth()(requestKey)).toBeUndefined()
  })
})
