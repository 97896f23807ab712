import type { Client } from '../protocol/client.js'
import type { Parameters } from '../protocol/parameters.js'
import { ApiKeyError, OAuthError } from '../protocol/refusals.js'

/**
 * Authenticates the client: by HTTP Basic, by `client_id` and `client_secret` in the body (RFC 6749 §2.3.1), or, for a
 * public client, by `client_id` alone. Each client may use both methods, regardless of what it registered.
 *
 * @throws {OAuthError} `invalid_client`, or `invalid_request` for two methods at once
 */
export function authenticateClient(
  authorization: string | null,
  parameters: Parameters,
  find: (clientId: string) => Client | undefined,
): Client {
  const basic = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? '')?.[1]
  if (basic !== undefined && parameters.has('client_secret'))
    throw new OAuthError('invalid_request', 'The client authenticates in more than one way')
  const pairs =
    basic === undefined
      ? [[parameters.get('client_id'), parameters.get('client_secret')]]
      : decodeBasic(basic)
  for (const [id, secret] of pairs) {
    const client = find(id ?? '')
    // HTTP Basic sends an empty password for a public client, which has no secret.
    if (!client || client.clientSecret !== (secret || undefined)) continue
    if (basic !== undefined && (parameters.get('client_id') ?? id) !== id)
      throw new OAuthError('invalid_request', 'The client_id is not that of the Authorization header')
    return client
  }
  throw new OAuthError('invalid_client', 'The client is unknown or its secret is wrong')
}

/**
 * The id and the secret, in two readings. Clients must form-encode both before they join them (RFC 6749 §2.3.1). Many do
 * not, the official SDK among them, so the text as sent is the second reading.
 */
function decodeBasic(credentials: string): (string | undefined)[][] {
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
  const asSent = [id, secret]
  try {
    return [asSent.map((half) => half && decodeURIComponent(half.replaceAll('+', ' '))), asSent]
  } catch {
    return [asSent]
  }
}

/** Whether the request has the API key as its bearer token (RFC 6750 §2.1). */
export function hasApiKey(request: Request, apiKey: string): boolean {
  return /^bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] === apiKey
}

/** @throws {ApiKeyError} */
export function checkApiKey(request: Request, apiKey: string): void {
  if (!hasApiKey(request, apiKey)) throw new ApiKeyError()
}
