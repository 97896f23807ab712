import type { Client } from '../protocol/client.js'
import type { Parameters } from '../protocol/parameters.js'
import { ApiKeyError, OAuthError } from '../protocol/refusals.js'

/**
 * Finds out which client is asking: HTTP Basic, `client_id` and `client_secret` in the body (RFC 6749 §2.3.1), or,
 * for a public client, `client_id` alone. Which of the first two the client had registered is not looked at.
 *
 * @throws {OAuthError} `invalid_client`, or `invalid_request` when both are used
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
    // A public client has no password, which HTTP Basic spells as an empty one.
    if (!client || client.clientSecret !== (secret || undefined)) continue
    if (basic !== undefined && (parameters.get('client_id') ?? id) !== id)
      throw new OAuthError('invalid_request', 'The client_id is not that of the Authorization header')
    return client
  }
  throw new OAuthError('invalid_client', 'The client is unknown or its secret is wrong')
}

/**
 * The id and secret as they are meant: both halves are form-encoded before they are joined (RFC 6749 §2.3.1). Many
 * clients leave that out, the official SDK among them, so they may be meant as they are written, too.
 */
function decodeBasic(credentials: string): (string | undefined)[][] {
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
  const written = [id, secret]
  try {
    return [written.map((half) => half && decodeURIComponent(half.replaceAll('+', ' '))), written]
  } catch {
    return [written]
  }
}

export function hasApiKey(request: Request, apiKey: string): boolean {
  return /^bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] === apiKey
}

/** @throws {ApiKeyError} */
export function demandApiKey(request: Request, apiKey: string): void {
  if (!hasApiKey(request, apiKey)) throw new ApiKeyError()
}
