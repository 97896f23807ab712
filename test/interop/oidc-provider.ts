import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Configuration, Provider as OidcProvider, ResourceServer } from 'oidc-provider'
import { vi } from 'vitest'
import { serve } from '../support/http.js'
import { basicCredentials, postForm, readObject, textOf } from '../support/oauth-requests.js'

/** The authorization server oidc-provider on a loopback port: certified, and written by others. */

// It is for Node 22; this is all that it lacks on Node 20.
if (!('parse' in URL))
  Object.defineProperty(URL, 'parse', {
    value: (url: string, base?: string) => (URL.canParse(url, base) ? new URL(url, base) : null),
  })

const { Provider, errors } = await silently(() => import('oidc-provider'))

/** The client that gets the tokens. */
export const CLIENT = 'app'
/** A client whose tokens are bound to its certificate. */
export const CLIENT_WITH_CERTIFICATE = 'app-with-certificate'
/** Who signs in. */
export const USER = 'user-1'
export const TTL_SECONDS = 600
export const OPAQUE = 'https://opaque.example.com'

/** What needs its form encoding to get through (RFC 6749 §2.3.1). */
const SECRET = 'a secret: 100% +&= safe'
const REDIRECT = 'https://app.example.com/callback'

const CERTIFICATE_HEADER = 'x-client-certificate'

/** As whom an API introspects. */
export const CREDENTIALS = { clientId: 'api:1', clientSecret: SECRET } as const

/** Those that it signs with and that are used here: not read from the code under test. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const
type Algorithm = (typeof ALGORITHMS)[number]

/** The API whose tokens are JWTs that are signed with this algorithm. */
export function apiOf(algorithm: Algorithm): string {
  return `https://${algorithm.toLowerCase()}.example.com`
}

/** What the token endpoint answers (RFC 6749 §5.1). */
type TokenResponse = Record<string, unknown>

export interface RunningProvider {
  readonly issuer: string
  /** How often a path was asked for. */
  count(path: string): number
  /** The headers `Authorization` with which it was. */
  authorizations(path: string): readonly (string | undefined)[]
  /** An access token that a client gets for itself (RFC 6749 §4.4) to use an API with (RFC 8707). */
  clientToken(resource: string, scope?: string): Promise<string>
  /** An access token that is bound to the certificate of the client (RFC 8705 §3). */
  certificateToken(resource: string, certificate: Buffer): Promise<string>
  /** What a client gets once a user has signed in and consented (RFC 6749 §4.1, with PKCE). */
  signIn(resource: string, scope?: string): Promise<TokenResponse>
  /** RFC 7009 */
  revoke(token: string): Promise<void>
  /** The same issuer at the same place, with none of the keys that it had. */
  rotateKeys(): Promise<void>
}

const firstKeys = await generateKeys()

export async function startProvider(): Promise<RunningProvider> {
  const requests: { path: string; authorization: string | undefined }[] = []
  let answer: RequestListener = () => undefined
  const { url: issuer } = await serve((request, response) => {
    const { authorization } = request.headers
    requests.push({ path: new URL(request.url ?? '', issuer).pathname, authorization })
    answer(request, response)
  })
  const useKeys = async (keys: readonly JWK[]) => {
    answer = listenerOf(await silently(() => new Provider(issuer, configure(keys))))
  }
  await useKeys(firstKeys)

  const of = (path: string) => requests.filter((request) => request.path === path)
  const credentials = { authorization: basicCredentials(CLIENT, SECRET) }
  const requestTokens = async (fields: Readonly<Record<string, string>>, headers: object = credentials) => {
    const response = await postForm(fetch, `${issuer}/token`, fields, { ...headers })
    const body = await readObject(response)
    if (response.status !== 200) throw new Error(`No token: ${JSON.stringify(body)}`)
    return body
  }
  return {
    issuer,
    count: (path) => of(path).length,
    authorizations: (path) => of(path).map(({ authorization }) => authorization),
    clientToken: async (resource, scope = 'read write') =>
      textOf(await requestTokens({ grant_type: 'client_credentials', resource, scope }), 'access_token'),
    certificateToken: async (resource, certificate) => {
      const fields = { grant_type: 'client_credentials', resource, scope: 'read' }
      const headers = {
        authorization: basicCredentials(CLIENT_WITH_CERTIFICATE, SECRET),
        [CERTIFICATE_HEADER]: certificate.toString('base64'),
      }
      return textOf(await requestTokens(fields, headers), 'access_token')
    },
    signIn: async (resource, scope = 'openid read write') => {
      const verifier = randomBytes(32).toString('base64url')
      const code = await authorize(issuer, {
        response_type: 'code',
        client_id: CLIENT,
        redirect_uri: REDIRECT,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        prompt: 'consent',
        resource,
        scope,
      })
      return requestTokens({
        grant_type: 'authorization_code',
        code,
        code_verifier: verifier,
        redirect_uri: REDIRECT,
        resource,
      })
    },
    revoke: async (token) => {
      const { status } = await postForm(fetch, `${issuer}/token/revocation`, { token }, credentials)
      if (status !== 200) throw new Error('The token was not revoked')
    },
    rotateKeys: async () => useKeys(await generateKeys()),
  }
}

/** One key of each type, none with an `alg`: which algorithms it serves is left to its readers. */
async function generateKeys(): Promise<JWK[]> {
  const types: Algorithm[] = ['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA']
  return Promise.all(
    types.map(async (algorithm) => {
      const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
      return exportJWK(privateKey)
    }),
  )
}

function configure(keys: readonly JWK[]): Configuration {
  return {
    jwks: { keys },
    cookies: { keys: [SECRET] },
    clients: [
      {
        client_id: CLIENT,
        client_secret: SECRET,
        grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: [REDIRECT],
      },
      {
        client_id: CLIENT_WITH_CERTIFICATE,
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        tls_client_certificate_bound_access_tokens: true,
      },
      {
        client_id: CREDENTIALS.clientId,
        client_secret: CREDENTIALS.clientSecret,
        grant_types: [],
        response_types: [],
        redirect_uris: [],
      },
    ],
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        // As a proxy that ends TLS would hand it on.
        getCertificate: (ctx) => new X509Certificate(Buffer.from(ctx.get(CERTIFICATE_HEADER), 'base64')),
      },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => client.clientId === token.clientId },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => describeResourceServer(resource),
      },
    },
    ttl: {
      AccessToken: TTL_SECONDS,
      ClientCredentials: TTL_SECONDS,
      Grant: TTL_SECONDS,
      IdToken: TTL_SECONDS,
      Interaction: TTL_SECONDS,
      RefreshToken: TTL_SECONDS,
      Session: TTL_SECONDS,
    },
  }
}

function describeResourceServer(resource: string): ResourceServer {
  const scope = 'read write'
  if (resource === OPAQUE) return { scope, accessTokenFormat: 'opaque' }
  const alg = ALGORITHMS.find((algorithm) => apiOf(algorithm) === resource)
  if (!alg) throw new errors.InvalidTarget()
  return { scope, accessTokenFormat: 'jwt', jwt: { sign: { alg } } }
}

function listenerOf(provider: OidcProvider): RequestListener {
  const answer = provider.callback()
  return (request, response) => {
    if (!request.url?.startsWith('/interaction/')) answer(request, response)
    else consent(provider, request, response).catch((error: unknown) => response.end(String(error)))
  }
}

/** A user who signs in and consents to all that is asked. */
async function consent(
  provider: OidcProvider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  const grant = new provider.Grant({ accountId: USER, clientId: textOf(params, 'client_id') })
  grant.addOIDCScope(textOf(params, 'scope'))
  grant.addResourceScope(textOf(params, 'resource'), textOf(params, 'scope'))
  const grantId = await grant.save()
  await provider.interactionFinished(request, response, {
    login: { accountId: USER },
    consent: { grantId },
  })
}

/** Goes, as a browser does, wherever it is sent until it is sent back to the client. */
async function authorize(issuer: string, parameters: Readonly<Record<string, string>>): Promise<string> {
  const cookies = new Map<string, string>()
  let location = new URL(`${issuer}/auth?${new URLSearchParams(parameters)}`)
  while (!location.href.startsWith(REDIRECT)) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(location, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const next = response.headers.get('location')
    if (next === null) throw new Error(`Sent nowhere: ${await response.text()}`)
    location = new URL(next, location)
  }
  return textOf(Object.fromEntries(location.searchParams), 'code')
}

/** Without what it says about Node's version and its own adapter: nothing is deployed here. */
async function silently<T>(work: () => T | Promise<T>): Promise<T> {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  try {
    return await work()
  } finally {
    warn.mockRestore()
  }
}
