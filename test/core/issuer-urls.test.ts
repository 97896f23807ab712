import { describe, expect, it } from 'vitest'
import { isSecureUrlOf } from '../../packages/core/src/testing.js'
import {
  AUDIENCE,
  goodToken,
  ISSUER,
  JWKS_URL,
  makeKey,
  makeUncheckedVerifier,
  makeVerifier,
  rejectionOf,
} from '../support/forge.js'
import { thrownBy } from '../support/outcome.js'

/** D3: which URLs are accepted, from options and from documents. */

const key = makeKey('ES256', 'good')

const bad: Readonly<Record<string, string>> = {
  'a placeholder': 'https://login.example/{tenantid}/v2.0',
  'a placeholder in the host': 'https://{domain}.example',
  'an opening brace': 'https://login.example/{',
  'a placeholder in angle brackets': 'https://login.example/<tenant>',
  'a double quote': 'https://login.example/"t"',
  'a quote at the end': 'https://login.example"',
  'a single quote': "https://login.example/'t'",
  'a backtick': 'https://login.example/`t`',
  'a blank': 'https://login.example/a b',
  'a blank at the end': 'https://login.example ',
  'a blank at the beginning': ' https://login.example',
  'a tab': 'https://login.example/a\tb',
  'a newline at the end': 'https://login.example\n',
  'a no-break space': 'https://login.example/a\u00a0b',
  'a % alone': 'https://login.example/%',
  'a % with one digit': 'https://login.example/%2',
  'a % without digits': 'https://login.example/%zz',
  'a backslash': 'https://login.example\\t',
  'a pipe': 'https://login.example/a|b',
  'a caret': 'https://login.example/a^b',
  'letters beyond ASCII': 'https://login.example/é',
  'a host beyond ASCII': 'https://lögin.example',
  'a lone surrogate': 'https://login.example/\ud800',
  'a control character': 'https://login.example/\u0000',
  'a dot segment': 'https://login.example/a/../b',
  'a dot segment at the end': 'https://login.example/a/..',
  'an encoded dot segment': 'https://login.example/a/%2e%2E/b',
  'a single dot': 'https://login.example/./a',
}

describe('C: a configured URL with characters that a request would change', () => {
  it.each(Object.entries(bad))('%s: in the option "issuer"', (_, issuer) => {
    for (const options of [{ issuer }, { issuer: [issuer] }, { issuer: [{ issuer }] }]) {
      const error = thrownBy(() => makeUncheckedVerifier({ audience: AUDIENCE, ...options }))
      expect(error).toMatchObject({ code: 'ERR_CONFIGURATION' })
      expect(error.message).not.toContain('login.example')
    }
  })

  it.each(Object.entries(bad))('%s: in the options "jwksUri" and "introspectionEndpoint"', (_, url) => {
    const introspection = { clientId: 'a', clientSecret: 'b' }
    for (const options of [{ jwksUri: url }, { introspectionEndpoint: url, introspection }])
      expect(thrownBy(() => makeUncheckedVerifier({ audience: AUDIENCE, ...options }))).toMatchObject({
        code: 'ERR_CONFIGURATION',
      })
  })

  it('names the placeholder, and the other faults', () => {
    const messageFor = (issuer: string) =>
      thrownBy(() => makeUncheckedVerifier({ audience: AUDIENCE, issuer })).message
    expect(messageFor('https://login.example/{tenantid}')).toMatch(/placeholder/)
    expect(messageFor('https://login.example/<tenant>')).toMatch(/placeholder/)
    expect(messageFor('"https://login.example"')).toMatch(/quotation mark/)
    expect(messageFor('https://login.example/%zz')).toMatch(/hexadecimal/)
    expect(messageFor('https://login.example ')).toMatch(/blank/)
  })

  it.each([
    'https://login.example',
    'https://login.example/',
    'https://login.example/%7Etenant/A',
    'https://login.example:8443/a.b/..c/d../...',
    'https://login.example/a-._~!$&()*+,;=:@b',
    'https://xn--lgin-5qa.example/t',
    'http://[::1]:4010/t',
    'https://[2001:db8::1]/t',
  ])('A: %s', (issuer) => {
    expect(() => makeUncheckedVerifier({ audience: AUDIENCE, issuer })).not.toThrow()
  })
})

describe('D3: what a document of a remote issuer may name', () => {
  const LOOPBACK = ['http://127.0.0.1:8080/jwks', 'http://localhost/jwks', 'http://[::1]:4010/jwks']

  it.each(LOOPBACK)('attack 35: not a jwks_uri over http on a loopback host: %s', async (jwksUri) => {
    const asked: string[] = []
    const fetch = async (url: string): Promise<Response> => {
      asked.push(url)
      return url.includes('.well-known')
        ? Response.json({ issuer: ISSUER, jwks_uri: jwksUri })
        : Response.json({ keys: [key.jwk] })
    }
    const error = await rejectionOf(makeVerifier({ fetch }).verify(goodToken(key)))
    expect(error).toMatchObject({ code: 'ERR_DISCOVERY_FAILED', reason: 'jwks-uri-insecure' })
    expect(asked.filter((url) => url.startsWith('http:'))).toEqual([])
  })

  it.each(LOOPBACK)('attack 35: nor an introspection_endpoint there: %s', async (endpoint) => {
    const asked: string[] = []
    const fetch = async (url: string): Promise<Response> => {
      asked.push(url)
      return url.includes('.well-known')
        ? Response.json({ issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: endpoint })
        : Response.json({ active: true, keys: [key.jwk] })
    }
    const introspection = { clientId: 'api', clientSecret: 'secret' }
    const error = await rejectionOf(makeVerifier({ fetch }, { introspection }).verify('opaque-token'))
    expect(error).toMatchObject({ code: 'ERR_INTROSPECTION_UNAVAILABLE' })
    expect(asked.filter((url) => url.startsWith('http:'))).toEqual([])
  })

  it.each(['http://127.0.0.1:4010', 'http://localhost:4010', 'https://localhost:4010'])(
    'A: an issuer on a loopback host may: %s',
    async (issuer) => {
      const fetch = async (url: string): Promise<Response> =>
        url.includes('.well-known')
          ? Response.json({ issuer, jwks_uri: 'http://127.0.0.1:4010/jwks' })
          : Response.json({ keys: [key.jwk] })
      await expect(
        makeVerifier({ fetch }, { issuer }).verify(goodToken(key, { iss: issuer })),
      ).resolves.toBeDefined()
    },
  )

  it('A: the options may name such a host for any issuer', async () => {
    const fetch = async (): Promise<Response> => Response.json({ keys: [key.jwk] })
    const jwksUri = 'http://127.0.0.1:4010/jwks'
    for (const options of [{ jwksUri }, { metadata: { issuer: ISSUER, jwks_uri: jwksUri } }])
      await expect(makeVerifier({ fetch }, options).verify(goodToken(key))).resolves.toBeDefined()
  })

  it.each([
    ['https://issuer.example', 'https://127.0.0.1/jwks', true],
    ['https://issuer.example', 'https://keys.example/jwks', true],
    ['https://localhost.example.com', 'http://127.0.0.1/jwks', false],
    ['https://127.0.0.1.example', 'http://127.0.0.1/jwks', false],
    ['http://127.0.0.1', 'http://keys.example/jwks', false],
  ])('D3: of %s, %s: %s', (issuer, url, usable) => {
    expect(isSecureUrlOf(issuer, url)).toBe(usable)
  })
})
