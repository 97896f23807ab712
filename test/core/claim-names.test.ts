import type { FetchFunction, VerifierOptions } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  rejectionOf,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'

/** The option `claimNames`, and attack 27: where other issuers say which scopes and which client a token is for. */

const key = makeKey('ES256', 'a')
const jwks = { keys: [key.jwk] }
const OTHER = 'https://other.example'
const otherKey = makeKey('ES256', 'b')

/** The claims of tokens without a `scope` of RFC 8693. */
const token = (claims: object) => goodToken(key, { scope: undefined, client_id: undefined, ...claims })

function verify(claims: object, options: VerifierOptions = {}) {
  return makeVerifier({ fetch: async () => expect.fail('No request') }, { jwks, ...options }).verify(
    token(claims),
  )
}

/** An issuer that introspects; what it says about any token is in `said`. */
function introspecting(said: object, options: VerifierOptions = {}) {
  const fetch: FetchFunction = async (url) => {
    if (url === METADATA_URL)
      return Response.json({
        issuer: ISSUER,
        jwks_uri: JWKS_URL,
        introspection_endpoint: `${ISSUER}/introspect`,
      })
    return url === JWKS_URL ? Response.json(jwks) : Response.json({ active: true, ...said })
  }
  const introspection = { when: 'always', clientId: 'api', clientSecret: 'a-secret-of-the-api' } as const
  return makeVerifier({ fetch }, { introspection, ...options })
}

describe('the values of scopes', () => {
  const names = [
    ['scope', {}],
    ['scp', { claimNames: { scopes: 'scp' } }],
    ['permissions', { claimNames: { scopes: 'permissions' } }],
    ['https://issuer.example/scopes', { claimNames: { scopes: 'https://issuer.example/scopes' } }],
  ] as const

  describe.each(names)('under %s', (name, options) => {
    it.each([
      ['a string', 'a b', ['a', 'b']],
      ['an array', ['a', 'b'], ['a', 'b']],
      ['repeated names', ['a', 'b', 'a'], ['a', 'b']],
      ['an empty string', '', []],
      ['an empty array', [], []],
      ['what splitting an empty string gives', [''], []],
      ['nothing', undefined, []],
      ['more than one blank', 'a  b', ['a', 'b']],
    ])('%s', async (_, value, scopes) => {
      const auth = await verify({ [name]: value }, options)
      expect(auth.scopes).toEqual(scopes)
      expect(Object.isFrozen(auth.scopes)).toBe(true)
    })

    it.each([
      ['a number', 1],
      ['null', null],
      ['an object', { a: true }],
      ['a number in an array', ['a', 1]],
      ['an array in an array', [['a']]],
      ['two scopes in one member of an array', ['a b']],
      ['a blank around a member', [' a']],
      ['a tab in a member', ['a\tb']],
    ])('%s: refused', async (_, value) => {
      const error = await rejectionOf(verify({ [name]: value }, options))
      expect(error).toMatchObject({ code: 'ERR_CLAIM_INVALID', claim: name, reason: 'claim-of-wrong-type' })
    })

    it('exact names only: read does not include read:all, and too little is a 403', async () => {
      const auth = await verify({ [name]: ['read'] }, options)
      expect([auth.hasScopes('read'), auth.hasScopes('read:all'), auth.hasScopes('rea')]).toEqual([
        true,
        false,
        false,
      ])
      const policy = { ...options, scopes: ['read:all'] }
      expect((await rejectionOf(verify({ [name]: ['read'] }, policy))).status).toBe(403)
      expect((await verify({ [name]: ['read:all'] }, policy)).scopes).toEqual(['read:all'])
    })
  })

  it('only the configured name is read, with any value under the other one', async () => {
    const options = { claimNames: { scopes: 'scp', clientId: 'azp' } }
    const auth = await verify({ scope: 'admin', scp: ['read'], client_id: 'x', azp: 'y' }, options)
    expect([auth.scopes, auth.clientId]).toEqual([['read'], 'y'])
    const none = await verify({ scope: 'admin', client_id: 'x' }, options)
    expect([none.scopes, none.clientId]).toEqual([[], undefined])
    // It is a claim like any other then.
    expect((await verify({ scope: { any: 'thing' }, scp: 'read' }, options)).scopes).toEqual(['read'])
    const standard = await verify({ scope: 'read', scp: 'admin', client_id: 'x', azp: 'y' })
    expect([standard.scopes, standard.clientId]).toEqual([['read'], 'x'])
  })

  it('claims stay as they are in the token', async () => {
    const { claims } = await verify(
      { scp: ['a'], azp: 'y' },
      { claimNames: { scopes: 'scp', clientId: 'azp' } },
    )
    expect(claims).toMatchObject({ scp: ['a'], azp: 'y' })
    expect(claims.scope).toBeUndefined()
  })
})

describe('the client', () => {
  it.each(['azp', 'cid', 'appid'])('%s', async (clientId) => {
    expect((await verify({ [clientId]: 'client-2' }, { claimNames: { clientId } })).clientId).toBe('client-2')
  })

  it.each([[1], [null], [['client-2']], [{}]])('%j: refused', async (value) => {
    const error = await rejectionOf(verify({ azp: value }, { claimNames: { clientId: 'azp' } }))
    expect(error).toMatchObject({ code: 'ERR_CLAIM_INVALID', claim: 'azp' })
  })

  it('a subject never stands in for it', async () => {
    expect((await verify({ sub: 'client-2' }, { claimNames: { clientId: 'azp' } })).clientId).toBeUndefined()
  })
})

describe('the strict profile', () => {
  const strict = (claims: object) =>
    makeVerifier({ fetch: async () => expect.fail('No request') }, { jwks, profile: 'rfc9068' }).verify(
      goodToken(key, claims),
    )

  it('takes a string under scope only', async () => {
    expect((await strict({ scope: 'a b' })).scopes).toEqual(['a', 'b'])
    expect(await rejectionOf(strict({ scope: ['a'] }))).toMatchObject({
      code: 'ERR_CLAIM_INVALID',
      claim: 'scope',
    })
    expect((await strict({ scope: undefined, scp: 'a' })).scopes).toEqual([])
  })

  it.each([{ scopes: 'scp' }, { clientId: 'azp' }])('and no other names: %j', (claimNames) => {
    const make = () =>
      makeVerifier({ fetch: async () => expect.fail('No request') }, { profile: 'rfc9068', claimNames })
    expect(thrownBy(make)).toMatchObject({ code: 'ERR_CONFIGURATION' })
  })

  it('its own names may be said', async () => {
    const claimNames = { scopes: 'scope', clientId: 'client_id' }
    const verifier = makeVerifier(
      { fetch: async () => expect.fail('No request') },
      { jwks, profile: 'rfc9068', claimNames },
    )
    expect((await verifier.verify(goodToken(key))).clientId).toBe('client-1')
  })
})

describe('the option', () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ['a string', 'scp'],
    ['an array', ['scp']],
    ['an unknown member', { scope: 'scp' }],
    ['an empty name', { scopes: '' }],
    ['a number', { scopes: 1 }],
    ['null', { clientId: null }],
    ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'cnf', 'active'].flatMap((name) => [
      [`scopes: ${name}`, { scopes: name }] as const,
      [`clientId: ${name}`, { clientId: name }] as const,
    ]),
    ['one name for both', { scopes: 'x', clientId: 'x' }],
    ['the standard name of the other', { scopes: 'client_id' }],
    ['the standard name of the other, for the client', { clientId: 'scope' }],
  ]

  it.each(bad)('%s: ERR_CONFIGURATION', (_, claimNames) => {
    const options: VerifierOptions = { jwks }
    Reflect.set(options, 'claimNames', claimNames)
    expect(
      thrownBy(() => makeVerifier({ fetch: async () => expect.fail('No request') }, options)),
    ).toMatchObject({
      code: 'ERR_CONFIGURATION',
    })
  })

  it('is said for all issuers, and replaced by what one says for itself', async () => {
    const theirs = (claims: object) => goodToken(otherKey, { iss: OTHER, scope: 'c', ...claims })
    const verifier = makeVerifier(
      { fetch: async () => expect.fail('No request') },
      {
        claimNames: { scopes: 'scp', clientId: 'azp' },
        issuer: [
          { issuer: ISSUER, jwks },
          { issuer: OTHER, jwks: { keys: [otherKey.jwk] }, claimNames: { clientId: 'cid' } },
        ],
      },
    )
    const mine = await verifier.verify(token({ scp: 'a', azp: 'x', cid: 'y' }))
    expect([mine.scopes, mine.clientId]).toEqual([['a'], 'x'])
    const other = await verifier.verify(theirs({ scp: 'a', azp: 'x', cid: 'y' }))
    expect([other.scopes, other.clientId]).toEqual([['c'], 'y'])
  })
})

describe('I3: introspection', () => {
  const options: VerifierOptions = { claimNames: { scopes: 'scp', clientId: 'azp' } }
  const signed = token({ scp: ['a', 'b'], azp: 'client-1' })

  it.each([
    ['scope, the standard name', { scope: 'a' }, ['a']],
    ['the configured name alone', { scp: ['a'] }, ['a']],
    ['both names: the standard one counts', { scope: 'a', scp: ['a', 'b'] }, ['a']],
    ['an empty scope', { scope: '' }, []],
    ['nothing of scopes: the signed ones stay', {}, ['a', 'b']],
  ])('with the signature, %s', async (_, said, scopes) => {
    const auth = await introspecting(said, options).verify(signed)
    expect(auth).toMatchObject({ verifiedBy: 'both', scopes, clientId: 'client-1' })
  })

  it('the scopes that are left are those that the policy is applied to', async () => {
    const error = await rejectionOf(introspecting({ scope: 'a' }, options).verify(signed, { scopes: ['b'] }))
    expect(error.code).toBe('ERR_SCOPE_INSUFFICIENT')
  })

  it.each([
    ['the standard names', { scope: 'a b', client_id: 'client-2' }],
    ['the configured names', { scp: ['a', 'b'], azp: 'client-2' }],
  ])('alone, %s', async (_, said) => {
    const auth = await introspecting(said, options).verify('opaque-token')
    expect(auth).toMatchObject({ verifiedBy: 'introspection', scopes: ['a', 'b'], clientId: 'client-2' })
  })

  it.each([{ scope: 1 }, { scp: ['a b'] }, { client_id: 1 }, { azp: 1 }])('%j: refused', async (said) => {
    expect((await rejectionOf(introspecting(said, options).verify('opaque-token'))).code).toBe(
      'ERR_CLAIM_INVALID',
    )
  })

  it('an array under scope is taken, in the default profile only', async () => {
    expect((await introspecting({ scope: ['a'] }).verify('opaque-token')).scopes).toEqual(['a'])
    const strict = introspecting({ scope: ['a'], aud: AUDIENCE }, { profile: 'rfc9068' })
    expect((await rejectionOf(strict.verify('opaque-token'))).code).toBe('ERR_CLAIM_INVALID')
  })
})
