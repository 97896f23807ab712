import { inspect, types } from 'node:util'
import { type Auth, InsufficientScopeError, type Policy, toResponse, type Validate } from '@telnyx-auth/core'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { rejectionOf } from '../support/forge.js'
import { codeOf, createPair, type Pair } from '../support/outcome.js'

let pair: Pair
/** A token with the scopes `read` and `write`. */
let token: string

beforeAll(async () => {
  pair = await createPair()
  token = await pair.issuer.issueToken({ scopes: ['read', 'write'], subject: 'user-1', clientId: 'client-1' })
})

describe('scopes', () => {
  it.each<[Policy, boolean]>([
    [{}, true],
    [{ scopes: [] }, true],
    [{ scopes: ['read'] }, true],
    [{ scopes: ['read', 'write'] }, true],
    [{ scopes: ['read', 'delete'] }, false],
    [{ scopes: ['rea'] }, false],
    [{ scopes: ['read:all'] }, false],
    [{ scopes: ['READ'] }, false],
    [{ anyScope: ['delete', 'write'] }, true],
    [{ anyScope: ['delete', 'admin'] }, false],
    [{ scopes: ['read'], anyScope: ['delete', 'admin'] }, false],
    [{ scopes: ['delete'], anyScope: ['read'] }, false],
  ])('B6: %j: %s', async (policy, enough) => {
    if (enough) await pair.verifier.verify(token, policy)
    else expect(await codeOf(pair.verifier.verify(token, policy))).toBe('ERR_SCOPE_INSUFFICIENT')
  })

  it('B6: the challenge names all that the operation needs, and offline_access never (P4)', async () => {
    const policy = { scopes: ['read', 'delete', 'offline_access'], anyScope: ['delete', 'admin'] }
    const error = await rejectionOf(pair.verifier.verify(token, policy))
    expect(error).toBeInstanceOf(InsufficientScopeError)
    expect(error).toMatchObject({ requiredScopes: ['read', 'delete', 'offline_access', 'admin'] })
    expect(toResponse(error)).toEqual({
      status: 403,
      headers: {
        'WWW-Authenticate':
          'Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a required scope", scope="read delete admin", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"',
        'Cache-Control': 'no-store',
        'Content-Type': 'application/json',
      },
      body: {
        error: 'insufficient_scope',
        error_description: 'The access token lacks a required scope',
        code: 'ERR_SCOPE_INSUFFICIENT',
      },
    })
  })

  it('P6: scopeImplies lets a broad scope include a narrow one', async () => {
    const { issuer, verifier } = await createPair({
      verifier: { scopeImplies: (granted, required) => required.startsWith(`${granted}.`) },
    })
    const broad = await issuer.issueToken({ scopes: ['messaging'] })
    const auth = await verifier.verify(broad, {
      scopes: ['messaging.read'],
      anyScope: ['voice.read', 'messaging.write'],
    })
    expect(auth.hasScopes('messaging.read', 'messaging')).toBe(true)
    expect(auth.hasScopes('messaging', 'voice.read')).toBe(false)
    expect(await codeOf(verifier.verify(broad, { scopes: ['voice.read'] }))).toBe('ERR_SCOPE_INSUFFICIENT')
  })

  it('attack 27: a scope is a string of names with spaces between them', async () => {
    const auth = await pair.verifier.verify(await pair.issuer.issueToken({ claims: { scope: ' b  a b ' } }))
    expect(auth.scopes).toEqual(['b', 'a'])
    for (const scope of [['read', 5], 5, null, { read: true }])
      expect(await codeOf(pair.verifier.verify(await pair.issuer.issueToken({ claims: { scope } })))).toBe(
        'ERR_CLAIM_INVALID',
      )
    for (const scope of ['read\twrite', 'read,write', 'read\u00a0write']) {
      const odd = await pair.verifier.verify(await pair.issuer.issueToken({ claims: { scope } }))
      expect(odd.hasScopes('read')).toBe(false)
    }
  })
})

describe('S1: authentication', () => {
  const issue = (claims: Record<string, unknown>) => pair.issuer.issueToken({ scopes: ['read'], claims })
  const ago = (seconds: number) => pair.clock.now() - seconds

  it.each<[string, Policy, () => Record<string, unknown>, boolean]>([
    ['an accepted value', { acrValues: ['a', 'b'] }, () => ({ acr: 'b' }), true],
    ['none', { acrValues: ['a', 'b'] }, () => ({}), false],
    ['another', { acrValues: ['a', 'b'] }, () => ({ acr: 'c' }), false],
    ['several in one', { acrValues: ['a', 'b'] }, () => ({ acr: 'a b' }), false],
    ['another case', { acrValues: ['a'] }, () => ({ acr: 'A' }), false],
    ['a list', { acrValues: ['a'] }, () => ({ acr: ['a'] }), false],
    ['recent', { maxAgeSeconds: 60 }, () => ({ auth_time: ago(0) }), true],
    ['at the limit', { maxAgeSeconds: 60 }, () => ({ auth_time: ago(65) }), true],
    ['past the limit', { maxAgeSeconds: 60 }, () => ({ auth_time: ago(66) }), false],
    ['of just now, for 0', { maxAgeSeconds: 0 }, () => ({ auth_time: ago(0) }), true],
    ['past the tolerance, for 0', { maxAgeSeconds: 0 }, () => ({ auth_time: ago(6) }), false],
    ['missing', { maxAgeSeconds: 60 }, () => ({}), false],
    ['a word', { maxAgeSeconds: 60 }, () => ({ auth_time: String(ago(0)) }), false],
    ['null', { maxAgeSeconds: 60 }, () => ({ auth_time: null }), false],
    ['within the tolerance of now', { maxAgeSeconds: 60 }, () => ({ auth_time: ago(-5) }), true],
    ['in the future', { maxAgeSeconds: 60 }, () => ({ auth_time: ago(-6) }), false],
    [
      'strong, but long ago',
      { acrValues: ['a'], maxAgeSeconds: 60 },
      () => ({ acr: 'a', auth_time: 0 }),
      false,
    ],
    ['recent, but weak', { acrValues: ['a'], maxAgeSeconds: 60 }, () => ({ auth_time: ago(1) }), false],
    ['of no interest', {}, () => ({ acr: 5, auth_time: 'never' }), true],
  ])('%s: %j', async (_, policy, claims, enough) => {
    const token = await issue(claims())
    if (enough) await pair.verifier.verify(token, policy)
    else
      expect(await rejectionOf(pair.verifier.verify(token, policy))).toMatchObject({
        code: 'ERR_AUTHENTICATION_INSUFFICIENT',
        status: 401,
        acrValues: policy.acrValues ?? [],
        maxAgeSeconds: policy.maxAgeSeconds,
      })
  })

  it('comes before the scopes, and names them: one new token solves both', async () => {
    const policy = { scopes: ['write'], acrValues: ['a'], maxAgeSeconds: 60 }
    const error = await rejectionOf(pair.verifier.verify(await issue({}), policy))
    expect(error).toMatchObject({ code: 'ERR_AUTHENTICATION_INSUFFICIENT', requiredScopes: ['write'] })
    expect(error.headers['WWW-Authenticate']).toMatch(
      /, scope="write", acr_values="a", max_age="60", resource_metadata="[^"]+"$/,
    )
  })

  it('the age is that of the moment, with a default of the verifier too', async () => {
    const { clock, issuer, verifier } = await createPair({
      verifier: { maxAgeSeconds: 60, acrValues: ['a'] },
    })
    const token = await issuer.issueToken({ claims: { acr: 'a', auth_time: clock.now() } })
    await verifier.verify(token)
    clock.advance(66)
    expect(await codeOf(verifier.verify(token))).toBe('ERR_AUTHENTICATION_INSUFFICIENT')
    await verifier.verify(token, { maxAgeSeconds: 120 })
    expect(await codeOf(verifier.verify(token, { maxAgeSeconds: 120, acrValues: ['b'] }))).toBe(
      'ERR_AUTHENTICATION_INSUFFICIENT',
    )
  })
})

describe('what an error knows of the operation', () => {
  it('is the scopes of the policy, for every refusal', async () => {
    const expired = await pair.issuer.issueToken({ expiresInSeconds: -60 })
    for (const [outcome, code] of [
      [pair.verifier.verify(expired, { scopes: ['a'], anyScope: ['b'] }), 'ERR_TOKEN_EXPIRED'],
      [pair.verifier.authenticate({ headers: {} }, { scopes: ['a'], anyScope: ['b'] }), 'ERR_TOKEN_MISSING'],
      [pair.verifier.verify(token, { scopes: ['a'], anyScope: ['b'] }), 'ERR_SCOPE_INSUFFICIENT'],
    ] as const) {
      const error = await rejectionOf(outcome)
      expect(error).toMatchObject({ code, requiredScopes: ['a', 'b'] })
      expect(error.headers['WWW-Authenticate']).toMatch(/, scope="a b", resource_metadata="[^"]+"$/)
    }
  })

  it('and not for malformed credentials: another token would not help', async () => {
    const request = { headers: { authorization: 'Bearer' } }
    const error = await rejectionOf(pair.verifier.authenticate(request, { scopes: ['a'] }))
    expect(error.headers['WWW-Authenticate']).toMatch(
      /^Bearer realm="api", error="[^"]+", error_description="[^"]+"$/,
    )
  })

  it('reaches an error of ours that a validate throws, as often as it does, with what it names itself', async () => {
    const mine = Object.assign(new InsufficientScopeError(['mine']), {
      headers: { 'X-Mine': '1' },
      why: 'debt',
    })
    const validate = () => Promise.reject(mine)
    for (const scope of ['read', 'write', 'read']) {
      const error = await rejectionOf(pair.verifier.verify(token, { scopes: [scope], validate }))
      expect(error).toBeInstanceOf(InsufficientScopeError)
      expect(types.isNativeError(error)).toBe(true)
      expect(Object.keys(error).sort()).toEqual(
        [...Object.keys(new InsufficientScopeError([])), 'why'].sort(),
      )
      expect(error).toMatchObject({
        message: mine.message,
        stack: mine.stack,
        code: 'ERR_SCOPE_INSUFFICIENT',
        requiredScopes: [scope, 'mine'],
        why: 'debt',
      })
      expect(error.headers).toEqual({
        'Cache-Control': 'no-store',
        'WWW-Authenticate': expect.stringContaining(`scope="${scope} mine"`),
        'X-Mine': '1',
      })
      // What is done to one does not reach the next.
      Object.assign(error, { why: 'spoilt', headers: { 'X-Mine': 'spoilt' } })
    }
    expect(mine).toMatchObject({ requiredScopes: ['mine'], why: 'debt' })
  })

  it('and of a class of their own, which is not copied, without what was added for another request', async () => {
    class Mine extends InsufficientScopeError {}
    const mine = new Mine(['mine'])
    const validate = () => Promise.reject(mine)
    for (const scope of ['read', 'write']) {
      const error = await rejectionOf(pair.verifier.verify(token, { scopes: [scope], validate }))
      expect(error).toBe(mine)
      expect(error.headers).toEqual({
        'Cache-Control': 'no-store',
        'WWW-Authenticate': expect.stringContaining(`scope="${scope} mine"`),
      })
      error.headers = { ...error.headers, 'X-Foo': '1' }
    }
  })

  it('a copy that is thrown again still says what its original named, and can be changed', async () => {
    const refusal = (thrown: Error, scope: string) =>
      rejectionOf(pair.verifier.verify(token, { scopes: [scope], validate: () => Promise.reject(thrown) }))
    const copy = await refusal(Object.freeze(new InsufficientScopeError(['mine'])), 'read')
    const descriptors = Object.values(Object.getOwnPropertyDescriptors(copy))
    expect(descriptors.every(({ configurable, writable }) => configurable && writable !== false)).toBe(true)
    expect((await refusal(copy, 'write')).requiredScopes).toEqual(['write', 'mine'])
    expect(Object.isFrozen(copy.requiredScopes)).toBe(true)

    const mine = Object.defineProperty(new InsufficientScopeError(['mine']), 'extra', { get: () => 'mine' })
    expect(await refusal(mine, 'read')).toMatchObject({ code: 'ERR_SCOPE_INSUFFICIENT', extra: 'mine' })
    expect(toResponse(await refusal(new Proxy(new InsufficientScopeError([]), {}), 'read')).status).toBe(403)
  })

  it('and so it does when it is frozen; the one that is thrown can be written to', async () => {
    const mine = Object.freeze(new InsufficientScopeError(['mine']))
    const validate = () => Promise.reject(mine)
    const error = await rejectionOf(pair.verifier.verify(token, { scopes: ['read'], validate }))
    expect(error.requiredScopes).toEqual(['read', 'mine'])
    expect(() => Object.assign(error, { status: 418, headers: {} })).not.toThrow()
    expect(mine.requiredScopes).toEqual(['mine'])
  })
})

describe('defaults', () => {
  it('apply where a call says nothing, and member by member', async () => {
    const { issuer, verifier } = await createPair({ verifier: { scopes: ['read'], anyScope: ['a', 'b'] } })
    const some = await issuer.issueToken({ scopes: ['a', 'write'] })
    expect(await rejectionOf(verifier.verify(some))).toMatchObject({ requiredScopes: ['read', 'a', 'b'] })
    await verifier.verify(some, { scopes: ['write'] })
    await verifier.verify(some, { scopes: [] })
    expect(await rejectionOf(verifier.verify(some, { anyScope: ['b'] }))).toMatchObject({
      requiredScopes: ['read', 'b'],
    })
  })
})

it('every default stays in force where a call says nothing of it', async () => {
  const asked = vi.fn()
  const { clock, issuer, verifier } = await createPair({
    verifier: {
      scopes: ['a'],
      anyScope: ['b', 'c'],
      acrValues: ['gold'],
      maxAgeSeconds: 60,
      validate: asked,
    },
  })
  const outcome = async (policy: Policy, scopes: string[], acr: string, age = 0) => {
    const issued = await issuer.issueToken({ scopes, claims: { acr, auth_time: clock.now() - age } })
    return verifier.verify(issued, policy).then(
      () => 'accepted',
      (error) => error.code,
    )
  }
  expect(await outcome({ scopes: ['a'] }, ['a'], 'gold')).toBe('ERR_SCOPE_INSUFFICIENT')
  expect(await outcome({ anyScope: ['x'] }, ['x'], 'gold')).toBe('ERR_SCOPE_INSUFFICIENT')
  expect(await outcome({ maxAgeSeconds: 60 }, ['a', 'b'], 'silver')).toBe('ERR_AUTHENTICATION_INSUFFICIENT')
  expect(await outcome({ acrValues: ['gold'] }, ['a', 'b'], 'gold', 66)).toBe(
    'ERR_AUTHENTICATION_INSUFFICIENT',
  )
  expect(asked).not.toHaveBeenCalled()
  expect(await outcome({ scopes: ['a'] }, ['a', 'b'], 'gold')).toBe('accepted')
  expect(asked).toHaveBeenCalledTimes(1)
})

describe('validate', () => {
  it.each([
    ['false', () => false],
    ['a promise of false', async () => false],
  ])('%s rejects the token', async (_, validate) => {
    const error = await rejectionOf(pair.verifier.verify(token, { validate }))
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REJECTED', status: 401 })
  })

  it.each([
    ['nothing', () => undefined],
    ['true', () => true],
    ['a promise of nothing', async () => undefined],
  ])('%s accepts it', async (_, validate) => {
    await pair.verifier.verify(token, { validate })
  })

  it('a function that may return true or undefined does not compile, unless it is async', () => {
    interface Claims {
      readonly roles?: readonly string[]
    }
    const returnsVoid = (_: Auth<Claims>): void => undefined
    // @ts-expect-error: without `roles` it returns undefined, which lets the caller in
    const mistaken: Validate<Claims> = ({ claims }) => claims.roles?.includes('admin')
    const all: Validate<Claims>[] = [
      mistaken,
      ({ claims }) => claims.roles?.includes('admin') === true,
      ({ claims }) => claims.roles?.includes('admin') ?? false,
      (auth): boolean => auth.scopes.length > 0,
      ({ subject }) => {
        if (subject === undefined) return false
        return
      },
      async ({ claims }) => claims.roles?.includes('admin'),
      async () => undefined,
      () => undefined,
      returnsVoid,
      ({ subject }) => (subject === undefined ? Promise.reject(new Error('none')) : Promise.resolve()),
      () => new Promise((resolve) => resolve()),
      ({ subject }) => (subject === undefined ? false : Promise.resolve(true)),
    ]
    expect(all).toHaveLength(12)
  })

  it('what it throws is not ours to judge', async () => {
    const mine = new Error('my database is down')
    for (const validate of [
      () => {
        throw mine
      },
      () => Promise.reject(mine),
    ])
      await expect(pair.verifier.verify(token, { validate })).rejects.toBe(mine)
  })

  it('that of the verifier and that of the call are both asked, after the scopes', async () => {
    const asked: string[] = []
    const { issuer, verifier } = await createPair({
      verifier: { validate: (auth) => void asked.push(`verifier ${auth.subject}`) },
    })
    const mine = await issuer.issueToken({ subject: 'user-1' })
    await verifier.verify(mine, { validate: () => void asked.push('call') })
    expect(asked).toEqual(['verifier user-1', 'call'])
    await codeOf(verifier.verify(mine, { scopes: ['read'] }))
    expect(asked).toHaveLength(2)
  })
})

describe('the result', () => {
  let auth: Auth
  beforeAll(async () => {
    auth = await pair.verifier.verify(token)
  })

  it('says who calls and what they may do', () => {
    const now = pair.clock.now()
    expect(auth).toMatchObject({
      subject: 'user-1',
      clientId: 'client-1',
      scopes: ['read', 'write'],
      audience: ['https://api.example.com'],
      issuer: 'https://api.telnyx.com',
      issuedAt: now,
      expiresAt: now + 3600,
      verifiedBy: 'signature',
      claims: { sub: 'user-1', scope: 'read write' },
    })
    expect(auth.token).toBe(token)
    expect(auth.hasScopes()).toBe(true)
    expect(auth.hasScopes('read', 'write')).toBe(true)
    expect(auth.hasScopes('read', 'delete')).toBe(false)
  })

  it('never prints the token', () => {
    expect(Object.keys(auth)).not.toContain('token')
    expect({ ...auth }).not.toHaveProperty('token')
    const printed = [
      JSON.stringify(auth),
      inspect(auth, { showHidden: true, depth: 10 }),
      `${inspect({ auth })}`,
      String(auth),
    ].join('\n')
    const [, , signature = ''] = token.split('.')
    expect(printed).not.toContain(signature)
  })

  it('attack 29: is frozen all the way down', async () => {
    const nested = await pair.verifier.verify(
      await pair.issuer.issueToken({ claims: { a: { b: [{ c: 1 }] } } }),
    )
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      expect(Object.isFrozen(value)).toBe(true)
      for (const child of Object.values(value)) walk(child)
    }
    walk(nested)
    expect(() => Object.assign(nested.claims, { sub: 'admin' })).toThrow(TypeError)
    expect(() => Object.assign(nested, { token: 'other' })).toThrow(TypeError)
  })

  it('attack 9: names that objects inherit are claims like others', async () => {
    const odd = await pair.issuer.issueToken({
      claims: { constructor: 1, toString: 'x', ['__proto__']: { admin: true } },
    })
    const { claims } = await pair.verifier.verify(odd)
    expect(Object.keys(claims)).toEqual(expect.arrayContaining(['constructor', 'toString', '__proto__']))
    expect(Reflect.get(claims, 'admin')).toBeUndefined()
    expect(Reflect.get({}, 'admin')).toBeUndefined()
  })
})

describe('verify() of the process', () => {
  it('is made from the environment at first use, once', async () => {
    vi.resetModules()
    const fresh = await import('@telnyx-auth/core')
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', undefined)
    await expect(fresh.verify(token)).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })

    vi.stubEnv('TELNYX_AUTH_AUDIENCE', 'https://api.example.com, urn:other')
    vi.stubGlobal('fetch', pair.issuer.fetch)
    const mine = await pair.issuer.issueToken({
      audience: 'urn:other',
      claims: { iat: undefined, exp: 4_000_000_000 },
    })
    expect((await fresh.verify(mine)).audience).toEqual(['urn:other'])
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', 'urn:changed')
    await fresh.verify(mine, { scopes: [] })
    await expect(fresh.verify(mine, { scopes: ['read'] })).rejects.toMatchObject({
      code: 'ERR_SCOPE_INSUFFICIENT',
    })
  })
})
