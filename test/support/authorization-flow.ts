/** The steps of a client and a user at the authorization endpoint (RFC 6749 §4.1), in process. */
import { createHash, randomBytes } from 'node:crypto'
import type { MockIssuer } from '@telnyx-auth/mock-issuer'
import { type FormFields, postForm, postJson, readObject, textOf } from './oauth-requests.js'

export interface PkcePair {
  readonly verifier: string
  /** The two parameters of the authorization request. */
  readonly challenge: { readonly code_challenge: string; readonly code_challenge_method: 'S256' }
}

/** RFC 7636 §4.1 and §4.2 */
export function createPkcePair(verifier: string = randomBytes(32).toString('base64url')): PkcePair {
  const hash = createHash('sha256').update(verifier).digest('base64url')
  return { verifier, challenge: { code_challenge: hash, code_challenge_method: 'S256' } }
}

export function authorizationUrl(fields: FormFields, identifier = 'https://api.telnyx.com'): string {
  const pairs = isRecord(fields)
    ? Object.entries(fields)
    : fields.map(([name, value]): [string, string] => [name, value])
  return `${identifier}/v2/oauth/authorize?${new URLSearchParams(pairs)}`
}

/** Redirects are answers here: they are not followed. */
export function requestAuthorization(issuer: MockIssuer, fields: FormFields): Promise<Response> {
  return issuer.fetch(authorizationUrl(fields, issuer.issuer), { redirect: 'manual' })
}

/** The consent page of a valid request, and the token in its form. */
export async function openConsentPage(
  issuer: MockIssuer,
  fields: FormFields,
): Promise<{ page: string; headers: Headers; consentToken: string }> {
  const response = await requestAuthorization(issuer, fields)
  const page = await response.text()
  if (response.status !== 200) throw new Error(`Not the consent page, but ${response.status}`)
  const consentToken = /name="consent_token" value="([^"]+)"/.exec(page)?.[1]
  if (consentToken === undefined) throw new Error('The page has no consent token')
  return { page, headers: response.headers, consentToken }
}

/** The target of a redirect, and the parameters for the client. */
export function readRedirect(location: string | null): { to: string; parameters: Record<string, string> } {
  if (location === null) throw new Error('This is no redirect')
  const query = location.indexOf('?')
  const pairs = [...new URLSearchParams(query < 0 ? '' : location.slice(query))]
  const parameters = Object.fromEntries(pairs)
  if (Object.keys(parameters).length < pairs.length) throw new Error('A parameter is repeated')
  return { to: query < 0 ? location : location.slice(0, query), parameters }
}

/** The code of a user who allows what the request asks for. */
export async function obtainCode(
  issuer: MockIssuer,
  fields: FormFields,
  user: { subject?: string } = {},
): Promise<string> {
  const location = await issuer.authorize(authorizationUrl(fields, issuer.issuer), user)
  return textOf(readRedirect(location).parameters, 'code')
}

export function requestToken(
  issuer: MockIssuer,
  fields: FormFields,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return postForm(issuer.fetch, `${issuer.issuer}/v2/oauth/token`, fields, headers)
}

/** A request with the API key of the account. */
export function manage(
  issuer: MockIssuer,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  document?: unknown,
): Promise<Response> {
  const headers = { authorization: `Bearer ${issuer.apiKey}` }
  const url = `${issuer.issuer}/v2/${path}`
  if (document === undefined) return issuer.fetch(url, { method, headers })
  const send: typeof globalThis.fetch = (input, init) => issuer.fetch(input, { ...init, method })
  return postJson(send, url, document, headers)
}

/** Introspects a token with the API key of the account. */
export async function introspect(issuer: MockIssuer, token: string): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${issuer.apiKey}` }
  return readObject(await postForm(issuer.fetch, `${issuer.issuer}/v2/oauth/introspect`, { token }, headers))
}

/** Registers a client (RFC 7591), which must succeed. */
export async function registerClient(
  issuer: MockIssuer,
  metadata: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const response = await postJson(issuer.fetch, `${issuer.issuer}/v2/oauth/register`, metadata)
  if (response.status !== 201) throw new Error(`Not registered: ${await response.text()}`)
  return readObject(response)
}

function isRecord(fields: FormFields): fields is Readonly<Record<string, string>> {
  return !Array.isArray(fields)
}
