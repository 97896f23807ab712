import { runInNewContext } from 'node:vm'
import { ConfigurationError, createVerifier } from '@telnyx-auth/core'
import { createGuards, Gate } from '@telnyx-auth/core/adapter'
import { describe, expect, it, vi } from 'vitest'
import { VERIFIER_OPTIONS } from '../../packages/core/src/options.js'
import { closest } from '../../packages/core/src/validation.js'
import { thrownBy } from '../support/outcome.js'

/** As JavaScript calls it: with whatever. */
const make = (options: unknown): unknown => Reflect.apply(createVerifier, undefined, [options])
const audience = 'https://api.example.com'

describe('what is refused, at once and in one sentence', () => {
  it.each([
    // issuer
    [{ issuer: 5 }, /"issuer".*https URL.*not 5$/],
    [{ issuer: '' }, /"issuer".*https URL/],
    [{ issuer: null }, /"issuer".*not null$/],
    [{ issuer: [] }, /"issuer".*not be an empty array$/],
    [{ issuer: 'api.telnyx.com' }, /"issuer".*https URL/],
    [{ issuer: 'http://api.telnyx.com' }, /"issuer".*http for loopback hosts only/],
    [{ issuer: 'http://127.0.0.1.example.com' }, /"issuer"/],
    [{ issuer: 'https://api.telnyx.com?tenant=1' }, /"issuer".*without query/],
    [{ issuer: 'https://api.telnyx.com#x' }, /"issuer".*fragment/],
    [{ issuer: 'https://user:secret@api.telnyx.com' }, /"issuer".*credentials/],
    [{ issuer: ' https://api.telnyx.com' }, /"issuer"/],
    [{ issuer: 'https://api.telnyx.com\n' }, /"issuer"/],
    [{ issuer: 'https://api.telnyx.com/\ta' }, /"issuer"/],
    [{ issuer: 'https:\\\\api.telnyx.com' }, /"issuer"/],
    [{ issuer: 'https:api.telnyx.com' }, /"issuer"/],
    [{ issuer: 'file:///etc/passwd' }, /"issuer"/],
    // audience
    [{ audience: undefined }, /"audience".*TELNYX_AUTH_AUDIENCE.*null/],
    [{ audience: '' }, /"audience".*not an empty string$/],
    [{ audience: [] }, /"audience".*not an empty array$/],
    [{ audience: [audience, ''] }, /"audience".*not an array with something else in it$/],
    [{ audience: [null] }, /"audience"/],
    [{ audience: 5 }, /"audience".*not 5$/],
    [{ audience: { a: 1 } }, /"audience".*not an object$/],
    [{ audience: false }, /"audience".*not a boolean$/],
    // profile
    [{ profile: 'RFC9068' }, /"profile".*"telnyx" or "rfc9068"/],
    [{ profile: null }, /"profile"/],
    // algorithms
    [{ algorithms: [] }, /"algorithms".*RS256.*not an empty array$/],
    [{ algorithms: 'RS256' }, /"algorithms".*array.*not a string$/],
    [{ algorithms: ['none'] }, /"algorithms".*"none" or an HMAC/],
    [{ algorithms: ['RS256', 'HS256'] }, /"algorithms".*"none" or an HMAC/],
    [{ algorithms: ['hs512'] }, /"algorithms".*"none" or an HMAC/],
    [{ algorithms: ['RSA256'] }, /"algorithms".*did you mean "RS256"/],
    [{ algorithms: ['rs256'] }, /"algorithms".*did you mean "RS256"/],
    [{ algorithms: ['constructor'] }, /"algorithms".*not supported/],
    [{ algorithms: [256] }, /"algorithms".*not 256$/],
    // numbers
    [{ clockToleranceSeconds: -1 }, /"clockToleranceSeconds".*0 to 600.*not -1$/],
    [{ clockToleranceSeconds: 5000 }, /"clockToleranceSeconds".*not 5000$/],
    [{ clockToleranceSeconds: Number.NaN }, /"clockToleranceSeconds".*not NaN$/],
    [{ clockToleranceSeconds: '5' }, /"clockToleranceSeconds".*not a string$/],
    [{ maxTokenBytes: 0 }, /"maxTokenBytes"/],
    [{ maxTokenBytes: Number.POSITIVE_INFINITY }, /"maxTokenBytes"/],
    [{ timeoutMs: 0 }, /"timeoutMs"/],
    [{ timeoutMs: null }, /"timeoutMs".*not null$/],
    [{ maxResponseBytes: 1e12 }, /"maxResponseBytes"/],
    // functions
    [{ fetch: 'fetch' }, /"fetch".*function.*not a string$/],
    [{ validate: true }, /"validate".*function.*not a boolean$/],
    [{ scopeImplies: {} }, /"scopeImplies".*function.*not an object$/],
    // policy members
    [{ scopes: 'a b' }, /"scopes".*array/],
    [{ scopes: ['a b'] }, /"scopes".*RFC 6749/],
    [{ scopes: [''] }, /"scopes".*not an empty string$/],
    [{ scopes: ['a"b'] }, /"scopes"/],
    [{ scopes: ['a\\b'] }, /"scopes"/],
    [{ scopes: ['ä'] }, /"scopes"/],
    [{ scopes: [5] }, /"scopes".*not 5$/],
    [{ anyScope: [] }, /"anyScope".*at least one/],
    [{ anyScope: 'a' }, /"anyScope".*array/],
    [{ acrValues: [] }, /"acrValues".*at least one value/],
    [{ acrValues: 'urn:gold' }, /"acrValues".*array of values.*not a string$/],
    [{ acrValues: ['urn:gold urn:silver'] }, /"acrValues".*single values/],
    [{ acrValues: ['a"b'] }, /"acrValues"/],
    [{ acrValues: [null] }, /"acrValues".*not null$/],
    [{ maxAgeSeconds: -1 }, /"maxAgeSeconds".*whole number.*not -1$/],
    [{ maxAgeSeconds: 0.5 }, /"maxAgeSeconds".*not 0.5$/],
    [{ maxAgeSeconds: '300' }, /"maxAgeSeconds".*not a string$/],
    [{ maxAgeSeconds: Number.NaN }, /"maxAgeSeconds".*not NaN$/],
    [{ maxAgeSeconds: Number.POSITIVE_INFINITY }, /"maxAgeSeconds".*not Infinity$/],
    [{ maxAgeSeconds: 2 ** 53 }, /"maxAgeSeconds"/],
    [{ maxAgeSeconds: null }, /"maxAgeSeconds".*not null$/],
    // the protected resource
    [{ protectedResource: true }, /"protectedResource".*object, or false.*not a boolean$/],
    [{ protectedResource: null }, /"protectedResource".*not null$/],
    [{ protectedResource: 'https://api.example.com' }, /"protectedResource".*not a string$/],
    [{ protectedResource: [] }, /"protectedResource".*not an empty array$/],
    [{ protectedResource: { ressource: audience } }, /did you mean "resource"\?$/],
    [{ protectedResource: { resource: 'urn:api' } }, /"resource".*https URL.*this one is not$/],
    [
      { protectedResource: { resource: 'http://api.example.com' } },
      /"resource".*http for loopback hosts only/,
    ],
    [{ protectedResource: { resource: 'https://api.example.com/#a' } }, /"resource".*without fragment/],
    [{ protectedResource: { resource: 'https://u:secret@api.example.com' } }, /"resource".*credentials/],
    [{ protectedResource: { resource: 'https://api.example.com/"' } }, /"resource"/],
    [{ protectedResource: { resource: 'https://api.example.com/ä' } }, /"resource"/],
    [{ protectedResource: { resource: 5 } }, /"resource".*not 5$/],
    [{ protectedResource: { resource: '' } }, /"resource"/],
    [{ protectedResource: { resource: 'https://api.example.com/../x' } }, /"resource"/],
    [{ protectedResource: new Map() }, /"protectedResource".*object/],
    [
      { protectedResource: Object.defineProperty({}, 'resource', { value: audience }) },
      /"resource" is hidden/,
    ],
    [{ protectedResource: { resourceName: ' ' } }, /"resourceName"/],
    [{ protectedResource: { documentation: 'https://u:secret@docs.example.com' } }, /"documentation"/],
    [{ protectedResource: { documentation: ' https://docs.example.com' } }, /"documentation"/],
    [{ protectedResource: { documentation: 'https://docs.example.com:99999' } }, /"documentation"/],
    [{ protectedResource: { documentation: 'http:docs' } }, /"documentation"/],
    [{ protectedResource: { dpop_bound_access_tokens_required: true } }, /bound/],
    [{ protectedResource: { tls_client_certificate_bound_access_tokens: true } }, /bound/],
    [{ protectedResource: { scopes: 'read' } }, /"scopes".*array/],
    [{ protectedResource: { scopes: ['a b'] } }, /"scopes"/],
    [{ protectedResource: { resourceName: '' } }, /"resourceName".*not an empty string$/],
    [{ protectedResource: { resourceName: 5 } }, /"resourceName".*not 5$/],
    [{ protectedResource: { documentation: 'docs' } }, /"documentation".*URL.*this one is not$/],
    [{ protectedResource: { documentation: 'javascript:alert(1)' } }, /"documentation"/],
    [{ protectedResource: { documentation: 5 } }, /"documentation".*not 5$/],
    [{ protectedResource: { resource_name: 'x' } }, /"resource_name".*other options$/],
    [{ protectedResource: { authorization_servers: ['https://x.example'] } }, /"authorization_servers"/],
    [{ protectedResource: { scopes_supported: ['x'] } }, /"scopes_supported"/],
    [{ protectedResource: { bearer_methods_supported: ['body'] } }, /"bearer_methods_supported"/],
    [{ protectedResource: { resource_documentation: 'x' } }, /"resource_documentation"/],
    [{ protectedResource: { resource_policy_uri: '' } }, /"resource_policy_uri".*not empty/],
    [{ protectedResource: { resource_policy_uri: null } }, /"resource_policy_uri".*not null$/],
    [{ protectedResource: { some_list: [] } }, /"some_list".*not an empty array$/],
    [{ protectedResource: { some_object: {} } }, /"some_object"/],
    [{ protectedResource: { some_function: () => 1 } }, /"some_function".*not a function$/],
    [{ protectedResource: { some_number: 5n } }, /"some_number".*not a bigint$/],
    [{ audience: 'urn:api', protectedResource: {} }, /"protectedResource" needs a "resource"/],
    [{ audience: null, protectedResource: { resourceName: 'x' } }, /"protectedResource" needs a "resource"/],
    // names
    [{ audiance: 'x' }, /no option "audiance"; did you mean "audience"\?$/],
    [{ Issuer: 'x' }, /did you mean "issuer"\?$/],
    [{ clockTolerance: 5 }, /did you mean "clockToleranceSeconds"\?$/],
    [{ somethingElse: 5 }, /no option "somethingElse"; there are "issuer", "audience"/],
  ])('%o', (options, message) => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', undefined)
    const error = thrownBy(() => make({ ...('audience' in options ? {} : { audience }), ...options }))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(error.message).toMatch(message)
    expect(error.message).not.toMatch(/\. [A-Z]|\n/)
    expect(error.message).not.toContain('secret')
  })

  it.each([null, 'https://api.example.com', 5, [], true, () => 1, new Map(), Object.create({ audience })])(
    'options that are no object: %j',
    (options) => {
      expect(thrownBy(() => make(options))).toBeInstanceOf(ConfigurationError)
    },
  )
})

describe('what is accepted', () => {
  it.each([
    { audience },
    { audience: [audience, 'urn:api'] },
    { audience: null },
    { audience, issuer: 'http://127.0.0.1:4010' },
    { audience, issuer: 'http://localhost:4010/tenant' },
    { audience, issuer: 'http://[::1]:4010' },
    { audience, issuer: 'https://id.example.com:8443/tenant/' },
    { audience, issuer: undefined, profile: undefined, fetch: undefined, scopes: undefined },
    { audience, algorithms: ['RS256', 'EdDSA'] },
    { audience, clockToleranceSeconds: 0, maxTokenBytes: 1, timeoutMs: 1, maxResponseBytes: 1 },
    { audience, acrValues: ['urn:gold'], maxAgeSeconds: 0 },
    { audience, protectedResource: undefined },
    { audience, protectedResource: false },
    { audience, protectedResource: {} },
    { audience, protectedResource: { documentation: 'HTTPS://docs.example.com' } },
    Object.assign(Object.create(null), { audience }),
    runInNewContext("({ audience: 'urn:example:api' })"),
    { audience: null, protectedResource: false },
    { audience: null, protectedResource: { resource: 'http://127.0.0.1:3000/mcp' } },
    {
      audience,
      protectedResource: { scopes: [], resourceName: undefined, some_flag: false, some_thing: undefined },
    },
    { audience, scopes: [], scopeImplies: () => false, validate: () => undefined },
  ])('%j', (options) => {
    expect(() => make(options)).not.toThrow()
  })

  it('copies what it is given', async () => {
    const algorithms: 'RS256'[] = ['RS256']
    const identifiers = [audience]
    const scopes = ['a']
    createVerifier({ audience: identifiers, algorithms, scopes })
    expect([algorithms, identifiers, scopes].every((each) => !Object.isFrozen(each))).toBe(true)
  })
})

describe('environment', () => {
  it('is read when a verifier is made, not before', () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', undefined)
    vi.stubEnv('TELNYX_AUTH_ISSUER', undefined)
    expect(thrownBy(() => createVerifier()).message).toMatch(/No audience is configured/)
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', 'https://api.example.com')
    expect(createVerifier().health().issuer).toBe('https://api.telnyx.com')
    vi.stubEnv('TELNYX_AUTH_ISSUER', 'http://127.0.0.1:4010')
    expect(createVerifier().health().issuer).toBe('http://127.0.0.1:4010')
    expect(createVerifier({ issuer: 'https://id.example.com' }).health().issuer).toBe(
      'https://id.example.com',
    )
  })

  it.each(['', ' ', ',', ' , '])('an audience of %j is none', (value) => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', value)
    expect(thrownBy(() => createVerifier()).message).toMatch(/No audience is configured/)
  })

  it('names the variable that is wrong', () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', 'https://api.example.com')
    vi.stubEnv('TELNYX_AUTH_ISSUER', 'http://api.telnyx.com')
    expect(thrownBy(() => createVerifier()).message).toMatch(
      /^Environment variable TELNYX_AUTH_ISSUER must be an https URL/,
    )
  })
})

describe('an adapter', () => {
  const gate = (options: unknown) => () => new Gate(options)

  it.each([
    [{ audience, optional: 'yes' }, /"optional".*true or false/],
    [{ audience, errors: 'next' }, /"errors".*"respond" or "throw"/],
    [{ audience, option: true }, /did you mean "optional"/],
    [{ verifier: {} }, /"verifier".*createVerifier\(\)/],
    [{ verifier: null }, /"verifier".*not null$/],
    [{ audience, protectedResource: true }, /"protectedResource"/],
    [{ verifier: createVerifier({ audience }), protectedResource: { resource: 'x' } }, /"resource"/],
    [{ verifier: createVerifier({ audience: 'urn:api' }), protectedResource: {} }, /needs a "resource"/],
    [{ audience, global: false }, /no option "global"/],
  ])('refuses %j', (options, message) => {
    const error = thrownBy(gate(options))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).toMatch(message)
  })

  it('refuses null, whatever the environment says', () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', audience)
    expect(thrownBy(gate(null))).toBeInstanceOf(ConfigurationError)
  })

  it('refuses a verifier together with what one is made from', () => {
    const verifier = createVerifier({ audience })
    const error = thrownBy(gate({ verifier, audience }))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).toMatch(/"verifier" and "audience" exclude each other/)
    expect(gate({ verifier, scopes: ['a'], optional: true, errors: 'throw' })).not.toThrow()
    expect(
      gate({ verifier, acrValues: ['urn:gold'], maxAgeSeconds: 5, protectedResource: false }),
    ).not.toThrow()
    expect(gate({ audience, verifier: undefined })).not.toThrow()
    expect(gate({ verifier, audience: undefined })).not.toThrow()
  })

  it('has switches of its own, which are true or false', () => {
    const options = (global: unknown) => () => new Gate({ audience, global }, ['global'])
    for (const value of [true, false, undefined]) expect(options(value)).not.toThrow()
    for (const value of ['no', 0, null])
      expect(thrownBy(options(value)).message).toMatch(/^Option "global" must be true or false, not /)
    expect(thrownBy(() => new Gate({ audience, globl: false }, ['global'])).message).toMatch(
      /did you mean "global"/,
    )
  })

  it('refuses policies in which something would be overlooked', () => {
    const { requireAuth } = createGuards(() => ({}))
    const scopes = ['admin']
    class Inherited {
      get scopes() {
        return scopes
      }
    }
    const bare: object = Object.assign(Object.create(null), { scopes })
    for (const policy of [
      new Map([['scopes', scopes]]),
      new Inherited(),
      Inherited.prototype,
      Object.create({ scopes }),
      Object.create(bare),
      Object.defineProperty({}, 'scopes', { value: scopes }),
      Object.defineProperty(Object.create(null), 'scopes', { value: scopes }),
    ])
      expect(thrownBy(() => Reflect.apply(requireAuth, undefined, [policy]))).toBeInstanceOf(
        ConfigurationError,
      )
    expect(thrownBy(() => Reflect.apply(requireAuth, undefined, [new Inherited()])).message).toMatch(
      /must be a plain object, not an instance of a class$/,
    )
    for (const policy of [
      bare,
      Object.freeze({ scopes }),
      { ...bare },
      runInNewContext('({ scopes: ["admin"] })'),
    ])
      expect(() => Reflect.apply(requireAuth, undefined, [policy])).not.toThrow()
  })

  it('refuses policies that are none, when a route is made', () => {
    const { requireAuth, requireScopes } = createGuards(() => ({}))
    for (const policy of [
      null,
      'a',
      ['a'],
      { scope: ['a'] },
      { scopes: 'a' },
      new Map(),
      Object.create({ scopes: ['a'] }),
    ])
      expect(thrownBy(() => Reflect.apply(requireAuth, undefined, [policy]))).toBeInstanceOf(
        ConfigurationError,
      )
    expect(thrownBy(() => Reflect.apply(requireAuth, undefined, [{ scope: ['a'] }])).message).toMatch(
      /did you mean "scopes"/,
    )
    for (const scopes of [[], [''], ['a b'], [['a']], [undefined]])
      expect(thrownBy(() => Reflect.apply(requireScopes, undefined, scopes))).toBeInstanceOf(
        ConfigurationError,
      )
  })
})

describe('suggestions', () => {
  it.each([
    ['audiences', 'audience'],
    ['isuer', 'issuer'],
    ['algorithm', 'algorithms'],
    ['timeout', 'timeoutMs'],
    ['scope', 'scopes'],
    ['anyScopes', 'anyScope'],
    ['AUDIENCE', 'audience'],
    ['ftech', 'fetch'],
    ['banana', undefined],
    ['x', undefined],
  ])('%s: %s', (name, meant) => {
    expect(closest(name, VERIFIER_OPTIONS)).toBe(meant)
  })
})
