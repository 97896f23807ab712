import { createVerifier, type ProtectedResourceOptions, type VerifierOptions } from '@telnyx-auth/core'
import { createAuthenticator } from '@telnyx-auth/core/adapter'
import { describe, expect, it } from 'vitest'

import { AUDIENCE } from '../support/forge.js'

import { handleFor } from '../support/request-handle.js'

const describeApi = (options: VerifierOptions) => createVerifier(options).protectedResourceMetadata()
const WELL_KNOWN = '/.well-known/oauth-protected-resource'

describe('P1: the document', () => {
  it('is made from the audience alone', () => {
    expect(describeApi({ audience: AUDIENCE })).toMatchObject({
      document: {
        resource: AUDIENCE,
        authorization_servers: ['https://api.telnyx.com'],
        bearer_methods_supported: ['header'],
      },
      url: `${AUDIENCE}${WELL_KNOWN}`,
      path: WELL_KNOWN,
    })
  })

  it.each<[string, VerifierOptions['audience']]>([
    ['no URL', 'urn:example:api'],
    ['two URLs', [AUDIENCE, 'https://other.example.com']],
    ['http', 'http://api.example.com'],
    ['http on a loopback host', 'http://127.0.0.1:3000'],
    ['a fragment', 'https://api.example.com/#mcp'],
    ['a fragment without a path', 'https://api.example.com#mcp'],
    ['a host that is not ASCII', 'https://äpi.example.com'],
    ['credentials', 'https://user:secret@api.example.com'],
    ['a quote', 'https://api.example.com/"a'],
    ['a backslash', 'https:\\\\api.example.com'],
    ['what is not ASCII', 'https://api.example.com/ä'],
    // What clients ask for is not what was written.
    ['dots', 'https://api.example.com/a/../b'],
    ['encoded dots', 'https://api.example.com/%2e%2e/b'],
    ['what a URL encodes', 'https://api.example.com/a{b}'],
    ['an empty query', 'https://api.example.com/mcp?'],
    ['no check', null],
  ])('there is none, without a word, for an audience of %s', (_, audience) => {
    expect(describeApi({ audience })).toBeUndefined()
  })

  it('takes the audience from the environment, and an array of one', () => {
    expect(describeApi({ audience: [AUDIENCE] })?.document.resource).toBe(AUDIENCE)
  })

  it('can be turned off', () => {
    expect(describeApi({ audience: AUDIENCE, protectedResource: false })).toBeUndefined()
  })

  it('names the scopes of the default policy, or others, and offline_access never', () => {
    const scopesOf = (options: Partial<VerifierOptions>) =>
      describeApi({ audience: AUDIENCE, ...options })?.document.scopes_supported
    expect(scopesOf({})).toBeUndefined()
    expect(scopesOf({ scopes: ['a', 'offline_access'], anyScope: ['b', 'a'] })).toEqual(['a', 'b'])
    expect(scopesOf({ protectedResource: { scopes: ['b', 'offline_access', 'b'] } })).toEqual(['b'])
    expect(scopesOf({ scopes: ['a'], protectedResource: { scopes: [] } })).toBeUndefined()
    expect(scopesOf({ protectedResource: { scopes: ['offline_access'] } })).toBeUndefined()
  })

  it('has further members, copied', () => {
    const algorithms = ['RS256']
    const protectedResource: ProtectedResourceOptions = {
      resource: 'http://localhost:3000/mcp',
      resourceName: 'Messages',
      resource_signing_alg_values_supported: algorithms,
      tls_client_certificate_bound_access_tokens: false,
      resource_tos_uri: undefined,
    }
    const metadata = describeApi({ audience: 'urn:api', protectedResource })
    algorithms.push('none')
    expect(metadata).toMatchObject({ url: `http://localhost:3000${WELL_KNOWN}/mcp` })
    expect(metadata?.document).toEqual({
      resource: 'http://localhost:3000/mcp',
      authorization_servers: ['https://api.telnyx.com'],
      bearer_methods_supported: ['header'],
      resource_name: 'Messages',
      resource_signing_alg_values_supported: ['RS256'],
      tls_client_certificate_bound_access_tokens: false,
    })
    const members = Object.values(metadata?.document ?? {}).filter((value) => typeof value === 'object')
    expect([metadata?.document, ...members].every((value) => Object.isFrozen(value))).toBe(true)
  })
})

it('the metadata are frozen: who has them cannot change what is served or named', () => {
  const metadata = describeApi({ audience: AUDIENCE })
  expect(Object.isFrozen(metadata)).toBe(true)
})

describe('P2: its URL', () => {
  it.each([
    ['https://h', `https://h${WELL_KNOWN}`],
    ['https://h/', `https://h${WELL_KNOWN}`],
    ['https://h/mcp', `https://h${WELL_KNOWN}/mcp`],
    ['https://h/mcp/', `https://h${WELL_KNOWN}/mcp/`],
    ['https://H:8443/A/b%20c', `https://H:8443${WELL_KNOWN}/A/b%20c`],
    ['https://h?tenant=1', `https://h${WELL_KNOWN}?tenant=1`],
    ['https://h/?tenant=1', `https://h${WELL_KNOWN}?tenant=1`],
    ['https://h/a?b=/c', `https://h${WELL_KNOWN}/a?b=/c`],
    ['https://h//a', `https://h${WELL_KNOWN}//a`],
  ])('%s: %s', (resource, url) => {
    const metadata = describeApi({ audience: resource })
    expect(metadata?.document.resource).toBe(resource)
    expect(metadata?.url).toBe(url)
    expect(metadata?.path).toBe(url.replace(/^https:\/\/[^/]+/, '').replace(/\?.*/, ''))
  })
})

describe('the answer', () => {
  const metadata = describeApi({ audience: `${AUDIENCE}/mcp` })
  const path = `${WELL_KNOWN}/mcp`
  const node = (method: string, url: string, headers: Record<string, string> = {}) =>
    metadata?.respond({ method, url, headers })?.status

  it('is the same to Node and web requests', () => {
    const expected = {
      status: 200,
      headers: {
        'Access-Control-Allow-Origin': '*',
        'Content-Type': 'application/json',
        'Cache-Control': 'public, max-age=300',
      },
      body: metadata?.document,
    }
    expect(metadata?.respond({ method: 'GET', url: path, headers: {} })).toEqual(expected)
    expect(metadata?.respond(new Request(`${AUDIENCE}${path}`))).toEqual(expected)
    expect(metadata?.respond(new Request(`http://127.0.0.1:3000${path}?x`))).toEqual(expected)
    expect(metadata?.respond({ method: 'HEAD', url: path, headers: {} })).toEqual(expected)
  })

  it('goes by what was asked for, not by what a mounted router sees', () => {
    const headers = {}
    const respond = (originalUrl: string, url: string) =>
      metadata?.respond({ method: 'GET', originalUrl, url, headers })?.status
    expect(respond(path, '/mcp')).toBe(200)
    expect(respond(`/api${path}`, path)).toBeUndefined()
  })

  it.each([
    ['GET', path, 200],
    ['GET', `http://h${path}`, 200],
    ['GET', `HTTPS://h${path}`, 200],
    ['GET', `${path}/`, 200],
    ['GET', `${path}//`, undefined],
    ['GET', `/${path}`, undefined],
    ['GET', `//h${path}`, undefined],
    ['GET', `${path}/x`, undefined],
    ['GET', `${path}#x`, 200],
    ['GET', `/?${path}`, undefined],
    ['GET', WELL_KNOWN, undefined],
    ['GET', `${WELL_KNOWN}/MCP`, undefined],
    ['GET', '*', undefined],
    ['GET', '', undefined],
    ['get', path, undefined],
    ['POST', path, undefined],
    ['PUT', path, undefined],
    ['DELETE', path, undefined],
    ['TRACE', path, undefined],
    ['OPTIONS', path, undefined],
  ])('%s %s: %s', (method, url, status) => {
    expect(node(method, url)).toBe(status)
  })

  it('preflight requests are those that say what is to come', () => {
    expect(node('OPTIONS', path, { 'access-control-request-method': 'GET' })).toBe(204)
    expect(node('OPTIONS', path, { origin: 'https://app.example.com' })).toBeUndefined()
    for (const method of ['POST', 'DELETE'])
      expect(node(method, path, { 'access-control-request-method': 'GET' })).toBeUndefined()
    const request = new Request(`${AUDIENCE}${path}`, {
      method: 'OPTIONS',
      headers: { 'access-control-request-method': 'GET' },
    })
    expect(metadata?.respond(request)).toMatchObject({ status: 204 })
    expect(metadata?.respond(new Request(`${AUDIENCE}${path}`, { method: 'OPTIONS' }))).toBeUndefined()
  })

  it('a fragment is not part of the query', () => {
    const tenant = describeApi({ audience: `${AUDIENCE}/mcp?tenant=1` })
    expect(tenant?.respond({ method: 'GET', url: `${path}?tenant=1#x`, headers: {} })?.status).toBe(200)
  })

  it('a request without method or URL is none', () => {
    expect(metadata?.respond({ headers: {} })).toBeUndefined()
    expect(metadata?.respond({ headers: {}, url: path })).toBeUndefined()
  })
})

describe('an adapter', () => {
  const ask = async (options: unknown, path: string) => {
    const answer = await createAuthenticator(options).authenticate(handleFor(), {
      method: 'GET',
      url: path,
      headers: {},
    })
    return answer?.status === 200 && answer.body ? JSON.parse(answer.body) : undefined
  }

  it('answers a preflight request without a body', async () => {
    const request = {
      method: 'OPTIONS',
      url: WELL_KNOWN,
      headers: { 'access-control-request-method': 'GET' },
    }
    const answer = await createAuthenticator({ audience: AUDIENCE }).authenticate(handleFor(), request)
    expect(answer).toMatchObject({ status: 204, body: undefined })
  })

  it('describes the API as the verifier does', async () => {
    const verifier = createVerifier({ audience: AUDIENCE, protectedResource: { resourceName: 'Messages' } })
    expect(await ask({ verifier }, WELL_KNOWN)).toEqual(verifier.protectedResourceMetadata()?.document)
  })

  it('with the scopes of its own policy', async () => {
    const verifier = createVerifier({ audience: AUDIENCE, scopes: ['a'] })
    expect(await ask({ verifier, scopes: ['b'] }, WELL_KNOWN)).toMatchObject({ scopes_supported: ['b'] })
  })

  it('or as it is told', async () => {
    const verifier = createVerifier({ audience: AUDIENCE, protectedResource: { resourceName: 'Messages' } })
    const protectedResource = { resource: `${AUDIENCE}/mcp` }
    expect(await ask({ verifier, protectedResource }, WELL_KNOWN)).toBeUndefined()
    expect(await ask({ verifier, protectedResource }, `${WELL_KNOWN}/mcp`)).toEqual({
      resource: `${AUDIENCE}/mcp`,
      authorization_servers: ['https://api.telnyx.com'],
      bearer_methods_supported: ['header'],
    })
    expect(await ask({ verifier, protectedResource: false }, WELL_KNOWN)).toBeUndefined()
  })

  it('does not follow what its options become later', async () => {
    const protectedResource = { resourceName: 'Messages', scopes: ['a'] }
    const verifier = createVerifier({ audience: AUDIENCE, protectedResource })
    protectedResource.resourceName = 'Mine'
    protectedResource.scopes.push('b')
    expect(await ask({ verifier }, WELL_KNOWN)).toMatchObject({
      resource_name: 'Messages',
      scopes_supported: ['a'],
    })
  })
})
