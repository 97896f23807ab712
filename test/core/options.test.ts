import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { ConfigurationError, createVerifier } from '@telnyx-auth/core'
import { createAuthenticator, createGuards } from '@telnyx-auth/core/adapter'
import { describe, expect, it, vi } from 'vitest'
import { closest, resolveOptions, VERIFIER_OPTIONS } from '../../packages/core/src/testing.js'
import { thrownBy } from '../support/outcome.js'

/** Calls it as JavaScript can: with a value of any type. */
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
    [{ audience: `"${audience}"` }, /"audience" has quotes around its value/],
    [{ audience: [audience, `'${audience}'`] }, /"audience" has quotes around its value/],
    [{ audience: ` ${audience}` }, /"audience".*without white space/],
    [{ audience: `${audience},urn:example:api` }, /"audience" holds a list with commas.*array/],
    [{ audience: `${audience}, ${audience}/b` }, /"audience" holds a list with commas.*array/],
    [{ audience: `${audience} urn:example:api` }, /"audience".*without white space.*each by itself$/],
    [{ audience: `${audience}\nx` }, /"audience".*without white space/],
    [{ audience: `["${audience}"]` }, /"audience".*not JSON in a string$/],
    [{ audience: `{ "audience": "${audience}" }` }, /"audience".*not JSON in a string$/],
    [{ audience: `${audience}"` }, /"audience" has quotes around its value/],
    [{ audience: `{"api":1}` }, /"audience".*not JSON in a string$/],
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
    [{ issuerBaseURL: 'x' }, /^There is no option "issuerBaseURL": it is "issuer" here$/],
    [{ tokenSigningAlg: 'RS256' }, /it is "algorithms" here$/],
    [{ cacheMaxAge: 5 }, /it is "keys\.lifetimeSeconds" here$/],
    // What has its name here elsewhere than in these options.
    [{ authRequired: false }, /no option "authRequired"; there are/],
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

  it.each([
    ['"https://api.example.com"', /^Environment variable TELNYX_AUTH_AUDIENCE has quotes around its value/],
    ["'https://api.example.com', 'urn:x'", /quotes around its value/],
    ['["https://api.example.com"]', /TELNYX_AUTH_AUDIENCE must be a list with commas.*not JSON$/],
    ['https://api.example.com urn:x', /TELNYX_AUTH_AUDIENCE.*without white space/],
  ])('an audience of %j, which no token can name', (value, message) => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', value)
    expect(thrownBy(() => createVerifier()).message).toMatch(message)
  })

  it.each([
    'My API',
    '6f9619ff-8b86-d011-b42d-00cf4fc964ff',
    '{6F9619FF-8B86-D011-B42D-00CF4FC964FF}',
    'api://6f9619ff-8b86-d011-b42d-00cf4fc964ff/.default',
    'spn:6f9619ff-8b86-d011-b42d-00cf4fc964ff',
    '//iam.googleapis.com/projects/1/locations/global',
    'arn:aws:execute-api:eu-west-1:123456789012:abc/*',
    'sts.amazonaws.com',
  ])('an audience of %j is one, as an option and as a variable', (value) => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', value)
    expect(() => createVerifier()).not.toThrow()
    expect(() => createVerifier({ audience: value })).not.toThrow()
  })

  it.each(['tag:example.com,2026:api', 'urn:example:a,b:c', 'https://api.example.com/a,b'])(
    'an audience of %j is one, as an option',
    (audience) => {
      expect(() => createVerifier({ audience })).not.toThrow()
      expect(() => createVerifier({ audience: [audience, 'urn:x'] })).not.toThrow()
    },
  )

  it('names the variable that is wrong', () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', 'https://api.example.com')
    vi.stubEnv('TELNYX_AUTH_ISSUER', 'http://api.telnyx.com')
    expect(thrownBy(() => createVerifier()).message).toMatch(
      /^Environment variable TELNYX_AUTH_ISSUER must be an https URL/,
    )
  })
})

describe('an adapter', () => {
  const creating = (options: unknown) => () => createAuthenticator(options)

  it.each([
    [{ audience, optional: 'yes' }, /"optional".*true or false/],
    [{ audience, errors: 'next' }, /"errors".*"respond" or "throw"/],
    [{ audience, option: true }, /did you mean "optional"/],
    [{ audience, authRequired: true }, /"authRequired": it is "optional: true" in place of "false" here$/],
    [{ verifier: {} }, /"verifier".*createVerifier\(\)/],
    [{ verifier: null }, /"verifier".*not null$/],
    [{ audience, protectedResource: true }, /"protectedResource"/],
    [{ verifier: createVerifier({ audience }), protectedResource: { resource: 'x' } }, /"resource"/],
    [{ verifier: createVerifier({ audience: 'urn:api' }), protectedResource: {} }, /needs a "resource"/],
    [{ audience, global: false }, /no option "global"/],
  ])('refuses %j', (options, message) => {
    const error = thrownBy(creating(options))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).toMatch(message)
  })

  it('refuses null, also with all environment variables set', () => {
    vi.stubEnv('TELNYX_AUTH_AUDIENCE', audience)
    expect(thrownBy(creating(null))).toBeInstanceOf(ConfigurationError)
  })

  it('refuses a verifier together with what one is made from', () => {
    const verifier = createVerifier({ audience })
    const error = thrownBy(creating({ verifier, audience }))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).toMatch(/"verifier" and "audience" exclude each other/)
    expect(creating({ verifier, scopes: ['a'], optional: true, errors: 'throw' })).not.toThrow()
    expect(
      creating({ verifier, acrValues: ['urn:gold'], maxAgeSeconds: 5, protectedResource: false }),
    ).not.toThrow()
    expect(creating({ audience, verifier: undefined })).not.toThrow()
    expect(creating({ verifier, audience: undefined })).not.toThrow()
  })

  it('has switches of its own, which are true or false', () => {
    const options = (global: unknown) => () => createAuthenticator({ audience, global }, { global: 'switch' })
    for (const value of [true, false, undefined]) expect(options(value)).not.toThrow()
    for (const value of ['no', 0, null])
      expect(thrownBy(options(value)).message).toMatch(/^Option "global" must be true or false, not /)
    expect(
      thrownBy(() => createAuthenticator({ audience, globl: false }, { global: 'switch' })).message,
    ).toMatch(/did you mean "global"/)
  })

  it('refuses policies with members that would be ignored', () => {
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

/** No message may contain it. */
const SECRET = 'hunter2-not-for-messages'
const telnyx = 'https://api.telnyx.com'
const credentials = { clientId: 'api', clientSecret: SECRET }

/** Without any variable that says something. */
function clearEnvironment(): void {
  for (const name of [
    'TELNYX_AUTH_AUDIENCE',
    'TELNYX_AUTH_ISSUER',
    'TELNYX_CLIENT_ID',
    'TELNYX_CLIENT_SECRET',
  ])
    vi.stubEnv(name, undefined)
}

describe('issuers, keys and introspection: what is refused, at once and in one sentence', () => {
  it.each([
    // several issuers
    [{ issuer: [null] }, /entry of "issuer".*plain object.*not null$/],
    [{ issuer: [5] }, /entry of "issuer".*not 5$/],
    [{ issuer: [undefined] }, /not undefined$/],
    [{ issuer: new Array(1) }, /not undefined$/],
    [{ issuer: [[telnyx]] }, /entry of "issuer".*not an array$/],
    [{ issuer: [''] }, /Every entry of option "issuer".*https URL/],
    [{ issuer: [telnyx, 'http://id.example.com'] }, /Every entry of option "issuer".*loopback/],
    [{ issuer: [{}] }, /Every entry of option "issuer".*not undefined$/],
    [{ issuer: [{ issuer: [telnyx] }] }, /Every entry of option "issuer".*not an array$/],
    [{ issuer: [{ issuer: `https://u:${SECRET}@id.example.com` }] }, /credentials/],
    [{ issuer: [telnyx, telnyx] }, /same issuer twice$/],
    [{ issuer: [{ issuer: telnyx }, telnyx] }, /same issuer twice$/],
    [{ issuer: [{ isuer: telnyx }] }, /no member of an entry of "issuer" "isuer"; did you mean "issuer"\?$/],
    [{ issuer: [{ issuer: telnyx, audiance: 'x' }] }, /did you mean "audience"\?$/],
    [{ issuer: [{ issuer: telnyx, clockToleranceSeconds: 5 }] }, /no member.*"clockToleranceSeconds"/],
    [{ issuer: [{ issuer: telnyx, fetch: () => undefined }] }, /no member.*"fetch"/],
    [{ issuer: [{ issuer: telnyx, scopes: ['a'] }] }, /no member.*"scopes"/],
    [{ issuer: [Object.create({ issuer: telnyx })] }, /entry of "issuer"/],
    [{ issuer: [Object.defineProperty({}, 'issuer', { value: telnyx })] }, /"issuer" is hidden/],
    [{ issuer: [{ issuer: telnyx, audience: '' }] }, /"audience".*not an empty string$/],
    [{ issuer: [{ issuer: telnyx, audience: [] }] }, /"audience".*not an empty array$/],
    [{ issuer: [{ issuer: telnyx, profile: 'jwt' }] }, /"profile"/],
    [{ issuer: [{ issuer: telnyx, algorithms: ['none'] }] }, /"algorithms".*"none"/],
    [{ issuer: [{ issuer: telnyx, algorithms: [] }] }, /"algorithms".*not an empty array$/],
    [{ issuer: [{ issuer: telnyx, keys: { cooldownSeconds: 0 } }] }, /"cooldownSeconds"/],
    [{ issuer: { issuer: telnyx } }, /"issuer".*not an object$/],
    [{ issuer: [telnyx], jwksUri: 'https://id.example.com/jwks' }, /"jwksUri" is for one issuer/],
    [{ issuer: [telnyx], jwks: { keys: [] } }, /"jwks" is for one issuer/],
    [{ issuer: [telnyx], metadata: { issuer: telnyx } }, /"metadata" is for one issuer/],
    [
      { issuer: [telnyx], introspectionEndpoint: 'https://x.example' },
      /"introspectionEndpoint" is for one issuer/,
    ],
    [{ issuer: [telnyx], introspection: credentials }, /"introspection" is for one issuer/],
    [
      {
        issuer: ['https://a.example', 'https://b.example'].map((issuer) => ({
          issuer,
          introspection: { ...credentials, when: 'opaque' },
        })),
      },
      /Only one issuer can introspect opaque tokens/,
    ],
    // keys
    [{ keys: null }, /"keys".*plain object.*not null$/],
    [{ keys: [] }, /"keys".*not an empty array$/],
    [{ keys: 300 }, /"keys".*not 300$/],
    [{ keys: new Map() }, /"keys".*not an instance of a class$/],
    [
      { keys: { lifeTimeSecs: 300 } },
      /no member of "keys" "lifeTimeSecs"; did you mean "lifetimeSeconds"\?$/,
    ],
    [{ keys: { maxStaleSecs: 1 } }, /did you mean "maxStaleSeconds"\?$/],
    [{ keys: { coolDownSecs: 1 } }, /did you mean "cooldownSeconds"\?$/],
    [{ keys: { banana: 1 } }, /no member of "keys" "banana"; there are "lifetimeSeconds"/],
    [{ keys: { lifetimeSeconds: 59 } }, /"lifetimeSeconds".*60 to 86400, not 59$/],
    [{ keys: { lifetimeSeconds: 86_401 } }, /"lifetimeSeconds".*not 86401$/],
    [{ keys: { lifetimeSeconds: '300' } }, /"lifetimeSeconds".*not a string$/],
    [{ keys: { lifetimeSeconds: Number.NaN } }, /"lifetimeSeconds".*not NaN$/],
    [{ keys: { maxStaleSeconds: -1 } }, /"maxStaleSeconds".*0 to 2592000, not -1$/],
    [{ keys: { maxStaleSeconds: 2_592_001 } }, /"maxStaleSeconds"/],
    [{ keys: { maxStaleSeconds: Number.POSITIVE_INFINITY } }, /"maxStaleSeconds".*not Infinity$/],
    [{ keys: { cooldownSeconds: 0 } }, /"cooldownSeconds".*1 to 3600, not 0$/],
    [{ keys: { cooldownSeconds: 3601 } }, /"cooldownSeconds"/],
    [{ keys: { cooldownSeconds: null } }, /"cooldownSeconds".*not null$/],
    // retries
    [{ retries: -1 }, /"retries".*0 to 3, not -1$/],
    [{ retries: 4 }, /"retries".*not 4$/],
    [{ retries: '1' }, /"retries".*not a string$/],
    [{ retries: true }, /"retries".*not a boolean$/],
    [{ retrys: 1 }, /did you mean "retries"\?$/],
    // given keys and endpoints
    [{ jwks: {} }, /"jwks".*JWK Set.*not an object without one$/],
    [{ jwks: SECRET }, /"jwks".*not a string$/],
    [{ jwks: null }, /"jwks".*not null$/],
    [{ jwks: { keys: [{ kty: 'oct', k: SECRET }] } }, /"jwks".*public key/],
    [{ jwksUri: 'http://id.example.com/jwks' }, /"jwksUri".*https URL.*which this one is not$/],
    [{ jwksUri: `https://u:${SECRET}@id.example.com/jwks` }, /"jwksUri".*without credentials/],
    [{ jwksUri: 5 }, /"jwksUri".*not 5$/],
    [{ jwkUri: 'https://id.example.com/jwks' }, /did you mean "jwksUri"\?$/],
    [
      { jwks: { keys: [] }, jwksUri: 'https://id.example.com/jwks' },
      /"jwks" and "jwksUri" exclude each other$/,
    ],
    [{ metadata: {} }, /"metadata" is not usable: .*"issuer"/],
    [{ metadata: 'https://id.example.com' }, /"metadata" is not usable/],
    [{ metadata: { issuer: telnyx } }, /"metadata" is not usable: .*"jwks_uri"$/],
    [
      { introspectionEndpoint: 'https://id.example.com/introspect' },
      /does nothing without.*"introspection"$/,
    ],
    [
      { introspection: credentials, introspectionEndpoint: `https://u:${SECRET}@id.example.com/` },
      /"introspectionEndpoint"/,
    ],
    // introspection
    [{ introspection: 'fallback' }, /"introspection" of a verifier must be an object/],
    [{ introspection: SECRET }, /"introspection" of a verifier must be an object/],
    [{ introspection: null }, /"introspection".*not null$/],
    [{ introspection: true }, /"introspection".*not a boolean$/],
    [{ introspection: [] }, /"introspection".*not an empty array$/],
    [{ introspection: false }, /"introspection".*not a boolean$/],
    [{ introspection: {} }, /needs "clientId".*TELNYX_CLIENT_ID/],
    [{ introspection: { clientId: 'api' } }, /needs "clientSecret".*TELNYX_CLIENT_SECRET/],
    [{ introspection: { clientSecret: SECRET } }, /needs "clientId"/],
    [{ introspection: { ...credentials, clientId: '' } }, /"clientId".*not an empty string$/],
    [{ introspection: { ...credentials, clientSecret: '' } }, /"clientSecret".*not an empty string$/],
    [{ introspection: { ...credentials, clientSecret: null } }, /"clientSecret".*not null$/],
    [{ introspection: { ...credentials, clientSecret: [SECRET] } }, /"clientSecret".*not an array$/],
    [{ introspection: { ...credentials, clientSecret: { SECRET } } }, /"clientSecret".*not an object$/],
    [{ introspection: { ...credentials, clientSecret: Buffer.from(SECRET) } }, /"clientSecret"/],
    [{ introspection: { ...credentials, clientId: 5 } }, /"clientId".*not 5$/],
    [
      { introspection: { ...credentials, when: 'sometimes' } },
      /"fallback", "always" or "opaque", not a string$/,
    ],
    [{ introspection: { ...credentials, when: SECRET } }, /"fallback", "always" or "opaque"/],
    [{ introspection: { ...credentials, when: null } }, /not null$/],
    [{ introspection: { ...credentials, authMethod: 'none' } }, /"authMethod".*not a string$/],
    [{ introspection: { ...credentials, authMethod: SECRET } }, /"authMethod"/],
    [{ introspection: { ...credentials, authMethod: null } }, /"authMethod".*not null$/],
    [
      { introspection: { ...credentials, authMethod: () => ({}) } },
      /not used where "authMethod" is a function/,
    ],
    [{ introspection: { clientSecret: SECRET, authMethod: () => ({}) } }, /not used where "authMethod"/],
    [{ introspection: { ...credentials, onUnavailable: 'ignore' } }, /"onUnavailable".*"reject" or "accept"/],
    [{ introspection: { ...credentials, onUnavailable: true } }, /"onUnavailable".*not a boolean$/],
    [{ introspection: { ...credentials, cacheSeconds: -1 } }, /"cacheSeconds".*0 to 3600, not -1$/],
    [{ introspection: { ...credentials, cacheSeconds: 3601 } }, /"cacheSeconds"/],
    [{ introspection: { ...credentials, cacheSeconds: SECRET } }, /"cacheSeconds".*not a string$/],
    [{ introspection: { ...credentials, cacheSeconds: Number.NaN } }, /"cacheSeconds".*not NaN$/],
    [{ introspection: { ...credentials, inactiveCacheSeconds: -1 } }, /"inactiveCacheSeconds".*0 to 3600/],
    [{ introspection: { ...credentials, inactiveCacheSeconds: 3601 } }, /"inactiveCacheSeconds"/],
    [{ introspection: { ...credentials, secret: SECRET } }, /no member of "introspection" "secret"/],
    [{ introspection: { ...credentials, clientID: 'x' } }, /did you mean "clientId"\?$/],
    [{ introspection: { ...credentials, authMehtod: 'x' } }, /did you mean "authMethod"\?$/],
    [
      { introspection: { ...credentials, cache: 5 } },
      /"cache" must be an object with the methods "get" and "set"/,
    ],
    [
      { introspection: Object.defineProperty({ clientId: 'api' }, 'clientSecret', { value: SECRET }) },
      /"clientSecret" is hidden/,
    ],
    [{ introspection: Object.create(credentials) }, /"introspection"/],
    [{ introspecton: credentials }, /did you mean "introspection"\?$/],
  ])('%o', (options, message) => {
    clearEnvironment()
    const error = thrownBy(() => make({ audience, ...options }))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).toMatch(message)
    expect(error.message).not.toMatch(/\. [A-Z]|\n/)
    const shown = inspect(error, { depth: Infinity, showHidden: true, maxStringLength: null })
    expect(shown).not.toContain(SECRET)
    expect(thrownBy(() => createAuthenticator({ audience, ...options })).message).toBe(error.message)
  })
})

describe('issuers, keys and introspection: what is accepted', () => {
  it.each([
    { issuer: [telnyx] },
    { issuer: Object.freeze(['https://a.example', Object.freeze({ issuer: 'https://b.example' })]) },
    { issuer: [{ issuer: telnyx, audience: null, profile: undefined, keys: undefined, jwks: undefined }] },
    { issuer: [{ issuer: 'http://127.0.0.1:4010', algorithms: ['ES256'] }] },
    { issuer: [telnyx, `${telnyx}/`] },
    { issuer: [telnyx], introspection: undefined, jwks: undefined, jwksUri: undefined },
    { issuer: [{ issuer: telnyx, introspection: credentials }] },
    { keys: {} },
    { keys: { lifetimeSeconds: 60, maxStaleSeconds: 0, cooldownSeconds: 1 } },
    { keys: { lifetimeSeconds: 86_400, maxStaleSeconds: 2_592_000, cooldownSeconds: 3600 } },
    { keys: { lifetimeSeconds: undefined } },
    { retries: 0 },
    { retries: 3 },
    { jwksUri: 'https://keys.example.com/jwks?v=1' },
    { introspection: credentials },
    { introspection: { ...credentials, cacheSeconds: 0, inactiveCacheSeconds: 0 } },
    { introspection: { ...credentials, cacheSeconds: 3600, inactiveCacheSeconds: 3600 } },
    { introspection: { ...credentials, authMethod: 'client_secret_post', onUnavailable: 'accept' } },
    { introspection: { authMethod: () => ({}), when: 'always' } },
    { introspection: { ...credentials, when: undefined, authMethod: undefined, cacheSeconds: undefined } },
  ])('%j', (options) => {
    clearEnvironment()
    expect(() => make({ audience, ...options })).not.toThrow()
    expect(() => createAuthenticator({ audience, ...options })).not.toThrow()
  })

  it('is not told by what a verifier shows of itself', () => {
    const verifier = createVerifier({ audience, introspection: credentials })
    const shown = inspect(verifier, { depth: Infinity, showHidden: true, getters: true })
    expect(`${shown}${JSON.stringify(verifier)}${JSON.stringify(verifier.health())}`).not.toContain(SECRET)
  })
})

describe('issuers, keys and introspection: defaults', () => {
  const resolve = (options: object, environment = {}) => resolveOptions({ audience, ...options }, environment)

  it('are those that the documentation says', () => {
    const { issuers, limits, clockToleranceSeconds } = resolve({})
    expect(issuers).toHaveLength(1)
    expect(clockToleranceSeconds).toBe(5)
    expect(issuers[0]).toMatchObject({
      rules: { issuer: telnyx, audience: new Set([audience]), profile: 'telnyx' },
      keys: { lifetimeMs: 300_000, maxStaleMs: 86_400_000, cooldownMs: 30_000, jwks: undefined },
      introspection: undefined,
    })
    expect(issuers[0].rules.algorithms.size).toBe(11)
    expect(limits).toMatchObject({ timeoutMs: 5000, maxResponseBytes: 262_144, retries: 1 })
    expect(resolve({ introspection: credentials }).issuers[0].introspection).toMatchObject({
      when: 'fallback',
      cacheMs: 30_000,
      inactiveCacheMs: 10_000,
      onUnavailable: 'reject',
    })
  })

  it('are replaced by what is said', () => {
    const { issuers, limits } = resolve({
      keys: { lifetimeSeconds: 60, maxStaleSeconds: 1, cooldownSeconds: 2 },
      introspection: {
        ...credentials,
        when: 'always',
        cacheSeconds: 1,
        inactiveCacheSeconds: 2,
        onUnavailable: 'accept',
      },
      retries: 0,
    })
    expect(issuers[0]).toMatchObject({
      keys: { lifetimeMs: 60_000, maxStaleMs: 1000, cooldownMs: 2000 },
      introspection: { when: 'always', cacheMs: 1000, inactiveCacheMs: 2000, onUnavailable: 'accept' },
    })
    expect(limits.retries).toBe(0)
  })

  it('of an entry are what the verifier says; undefined says nothing, null turns the audience off', () => {
    const shared = {
      profile: 'rfc9068',
      algorithms: ['ES256'],
      clockToleranceSeconds: 9,
      keys: { lifetimeSeconds: 60 },
    }
    const { issuers, clockToleranceSeconds } = resolve({
      ...shared,
      issuer: [
        telnyx,
        {
          issuer: 'https://a.example',
          audience: undefined,
          profile: undefined,
          algorithms: undefined,
          keys: undefined,
        },
        { issuer: 'https://b.example', audience: null, profile: 'telnyx', algorithms: ['RS256', 'ES256'] },
        { issuer: 'https://c.example', audience: ['urn:c', 'urn:d'], keys: { lifetimeSeconds: 600 } },
      ],
    })
    expect(clockToleranceSeconds).toBe(9)
    const inherited = {
      rules: {
        audience: new Set([audience]),
        profile: 'rfc9068',
        algorithms: new Set(['ES256']),
      },
      keys: { lifetimeMs: 60_000 },
    }
    expect(issuers).toMatchObject([
      inherited,
      inherited,
      {
        rules: {
          issuer: 'https://b.example',
          audience: null,
          profile: 'telnyx',
          algorithms: new Set(['RS256', 'ES256']),
        },
        keys: { lifetimeMs: 60_000 },
      },
      { rules: { audience: new Set(['urn:c', 'urn:d']), profile: 'rfc9068' }, keys: { lifetimeMs: 600_000 } },
    ])
  })
})

describe('issuers and introspection: environment', () => {
  const authorization = async (options: object, environment: Record<string, string>) => {
    const { issuers } = resolveOptions({ audience, ...options }, environment)
    const [{ introspection }] = issuers
    const request = { issuer: telnyx, endpoint: `${telnyx}/introspect` }
    return (await introspection?.authenticate(request))?.headers?.authorization
  }
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const environment = { TELNYX_CLIENT_ID: 'env-id', TELNYX_CLIENT_SECRET: SECRET }

  it('an audience serves all issuers that have none of their own', () => {
    const issuer = ['https://a.example', { issuer: 'https://b.example', audience: 'urn:b' }]
    const { issuers } = resolveOptions({ issuer }, { TELNYX_AUTH_AUDIENCE: 'urn:x, urn:y' })
    expect(issuers.map(({ rules }) => rules.audience)).toEqual([
      new Set(['urn:x', 'urn:y']),
      new Set(['urn:b']),
    ])
    expect(thrownBy(() => resolveOptions({ issuer }, {})).message).toMatch(/No audience is configured/)
    // Each has its own: then none is missing.
    const own = issuer.slice(1)
    expect(() => resolveOptions({ issuer: own }, {})).not.toThrow()
  })

  it('an issuer is overruled by an array, and is never one itself', () => {
    const variables = { TELNYX_AUTH_ISSUER: 'https://env.example', TELNYX_AUTH_AUDIENCE: audience }
    const named = (options: object) =>
      resolveOptions(options, variables).issuers.map(({ rules }) => rules.issuer)
    expect(named({})).toEqual(['https://env.example'])
    expect(named({ issuer: ['https://a.example'] })).toEqual(['https://a.example'])
    const two = { ...variables, TELNYX_AUTH_ISSUER: 'https://a.example, https://b.example' }
    expect(thrownBy(() => resolveOptions({}, two))).toBeInstanceOf(ConfigurationError)
  })

  it('credentials are filled in, one by one, and only where introspection is on', async () => {
    expect(await authorization({ introspection: {} }, environment)).toBe(basic(`env-id:${SECRET}`))
    expect(await authorization({ introspection: { clientId: 'own' } }, environment)).toBe(
      basic(`own:${SECRET}`),
    )
    expect(await authorization({ introspection: { clientSecret: 'own' } }, environment)).toBe(
      basic('env-id:own'),
    )
    expect(await authorization({ introspection: { clientId: undefined } }, environment)).toBe(
      basic(`env-id:${SECRET}`),
    )
    expect(await authorization({}, environment)).toBeUndefined()
    const none = { introspection: { authMethod: () => ({}) } }
    expect(await authorization(none, environment)).toBeUndefined()
    // RFC 6749 §2.3.1: form-encoded first.
    expect(await authorization({ introspection: { clientId: 'a:b', clientSecret: 'c d+é' } }, {})).toBe(
      basic('a%3Ab:c+d%2B%C3%A9'),
    )
  })

  it.each([
    { TELNYX_CLIENT_ID: '', TELNYX_CLIENT_SECRET: SECRET },
    { TELNYX_CLIENT_ID: 'env-id', TELNYX_CLIENT_SECRET: '' },
    { TELNYX_CLIENT_SECRET: SECRET },
    { TELNYX_CLIENT_ID: 'env-id' },
  ])('an empty variable is none: %j', (variables) => {
    const error = thrownBy(() => resolveOptions({ audience, introspection: {} }, variables))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).not.toContain(SECRET)
  })

  it('is read when a verifier is made, not before', () => {
    clearEnvironment()
    const options = { audience, introspection: {} }
    expect(thrownBy(() => createVerifier(options)).message).toMatch(/TELNYX_CLIENT_ID/)
    vi.stubEnv('TELNYX_CLIENT_ID', 'env-id')
    expect(thrownBy(() => createVerifier(options)).message).toMatch(/TELNYX_CLIENT_SECRET/)
    vi.stubEnv('TELNYX_CLIENT_SECRET', SECRET)
    expect(() => createVerifier(options)).not.toThrow()
  })

  it('is for Telnyx alone where there are several issuers', async () => {
    const issuer = [{ issuer: telnyx, introspection: {} }, 'https://b.example']
    expect(await authorization({ issuer }, environment)).toBe(basic(`env-id:${SECRET}`))
    for (const other of ['https://b.example', `${telnyx}/`, telnyx.replace('api', 'API')])
      for (const introspection of [{}, { clientId: 'own' }, { clientSecret: 'own' }]) {
        const entry = { issuer: other, introspection }
        const error = thrownBy(() => resolveOptions({ audience, issuer: [entry, telnyx] }, environment))
        expect(error).toBeInstanceOf(ConfigurationError)
        expect(error.message).toMatch(/for https:\/\/api\.telnyx\.com alone/)
        expect(error.message).not.toContain(SECRET)
      }
  })
})

describe('introspection in policies', () => {
  it.each(['sometimes', '', null, true, {}, { when: 'always' }, ['always'], SECRET])(
    'refused: %j',
    async (value) => {
      const verifier = createVerifier({ audience, introspection: credentials })
      const refused: unknown = Reflect.apply(verifier.verify, verifier, ['x', { introspection: value }])
      await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
      const { requireAuth } = createGuards(() => ({}))
      const error = thrownBy(() => Reflect.apply(requireAuth, undefined, [{ introspection: value }]))
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(error.message).toMatch(/"introspection" must say "fallback", "always" or "opaque"/)
      expect(error.message).not.toContain(SECRET)
    },
  )

  it.each(['fallback', 'always', 'opaque'] as const)('%s needs a verifier that can ask', (introspection) => {
    const verifier = createVerifier({ audience })
    const error = thrownBy(() => createAuthenticator({ verifier, introspection }))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error.message).toMatch(/set its option "introspection"/)
    const asking = createVerifier({ audience, introspection: credentials })
    expect(() => createAuthenticator({ verifier: asking, introspection })).not.toThrow()
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
    ['retrys', 'retries'],
    ['introspect', 'introspection'],
    ['jwk', 'jwks'],
    ['key', 'keys'],
    ['jwksURI', 'jwksUri'],
    ['meta', undefined],
    ['banana', undefined],
    ['x', undefined],
  ])('%s: %s', (name, meant) => {
    expect(closest(name, VERIFIER_OPTIONS)).toBe(meant)
  })
})
