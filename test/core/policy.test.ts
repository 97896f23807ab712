import { inspect } from 'node:util'
import { type Auth, InsufficientScopeError, type Policy, toResponse } from '@telnyx-auth/core'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { codeOf, createPair, errorOf, type Pair } from '../support/outcome.js'

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
    const error = await errorOf(pair.verifier.verify(token, policy))
    expect(error).toBeInstanceOf(InsufficientScopeError)
    expect(error).toMatchObject({ requiredScopes: ['read', 'delete', 'offline_access', 'admin'] })
    expect(toResponse(error)).toEqual({
      status: 403,
      headers: {
        'WWW-Authenticate':
          'Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a required scope", scope="read delete admin"',
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
    for (const scope of [['read'], 5, null, { read: true }])
      expect(await codeOf(pair.verifier.verify(await pair.issuer.issueToken({ claims: { scope } })))).toBe(
        'ERR_CLAIM_INVALID',
      )
    for (const scope of ['read\twrite', 'read,write', 'read\u00a0write']) {
      const odd = await pair.verifier.verify(await pair.issuer.issueToken({ claims: { scope } }))
      expect(odd.hasScopes('read')).toBe(false)
    }
  })
})

describe('defaults', () => {
  it('apply where a call says nothing, and member by member', async () => {
    const { issuer, verifier } = await createPair({ verifier: { scopes: ['read'], anyScope: ['a', 'b'] } })
    const some = await issuer.issueToken({ scopes: ['a', 'write'] })
    expect(await errorOf(verifier.verify(some))).toMatchObject({ requiredScopes: ['read', 'a', 'b'] })
    await verifier.verify(some, { scopes: ['write'] })
    await verifier.verify(some, { scopes: [] })
    expect(await errorOf(verifier.verify(some, { anyScope: ['b'] }))).toMatchObject({
      requiredScopes: ['read', 'b'],
    })
  })
})

describe('validate', () => {
  it.each([
    ['false', () => false],
    ['a promise of false', async () => false],
  ])('%s rejects the token', async (_, validate) => {
    const error = await errorOf(pair.verifier.verify(token, { validate }))
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REJECTED', status: 401 })
  })

  it.each([
    ['nothing', () => undefined],
    ['true', () => true],
    ['a promise of nothing', async () => undefined],
  ])('%s accepts it', async (_, validate) => {
    await pair.verifier.verify(token, { validate })
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
