import type { Auth, ProtectedResourceMetadata } from '@telnyx-auth/core'

/** Who calls a tool, in the form of the MCP SDK. It has the members of both generations of the SDK. */
export interface AuthInfo {
  /** The access token. */
  token: string
  /** The client that the token was issued to; empty where the token does not name one. */
  clientId: string
  /** The granted scopes. */
  scopes: string[]
  /** When the token expires, in seconds since the epoch. Absent where the token does not say. */
  expiresAt?: number
  /** This server, as the audience of the token names it (RFC 8707 §2). Absent where no audience is a URL. */
  resource?: URL
  /** The URL of the metadata of this server (RFC 9728), which the SDK names in challenges of its own. */
  resourceMetadataUrl?: string
  /** What else the token says. */
  extra: {
    /** The user, or the client where no user is involved (`sub`). Absent where the token does not say. */
    subject?: string
    /** The issuer of the token (`iss`). */
    issuer: string
    /** All claims of the token. Frozen. */
    claims: Readonly<Record<string, unknown>>
  }
}

/**
 * The result of a verification in the form of the MCP SDK: what tools get as `authInfo`.
 *
 * A subject never stands in for a client id: a token without a client id has the empty text, and no caller may be told from
 * another by it.
 *
 * @param metadata the metadata of this server, as `verifier.protectedResourceMetadata()` returns it. Without it, `resource` is
 *   the only audience that is a URL.
 * @example
 * await transport.handleRequest(Object.assign(req, { auth: toAuthInfo(getAuth(req)) }), res, req.body)
 */
export function toAuthInfo(
  auth: Auth<object>,
  metadata?: Pick<ProtectedResourceMetadata, 'url' | 'document'>,
): AuthInfo {
  const { token, clientId = '', scopes, expiresAt, subject, issuer, claims } = auth
  const resource = resourceOf(auth.audience, metadata?.document.resource)
  // Copies, because the SDK and its users write to them, and the result of a verification is shared by requests.
  return {
    token,
    clientId,
    scopes: [...scopes],
    ...(expiresAt !== undefined && { expiresAt }),
    ...(resource && { resource }),
    ...(metadata && { resourceMetadataUrl: metadata.url }),
    extra: { ...(subject !== undefined && { subject }), issuer, claims: { ...claims } },
  }
}

/** The audience that is this server. */
function resourceOf(audience: readonly string[], identifier: string | undefined): URL | undefined {
  const urls = audience
    .filter((each) => /^https?:/i.test(each) && URL.canParse(each))
    .map((each) => new URL(each))
  if (identifier !== undefined) {
    const { href } = new URL(identifier)
    return urls.find((url) => url.href === href)
  }
  return urls.length === 1 ? urls[0] : undefined
}
