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
 * A subject never stands in for a client id. The `clientId` of a token without one is empty, so it identifies no client.
 *
 * @param auth the result of the verification
 * @param metadata the metadata of this server, as `verifier.protectedResourceMetadata()` returns it. Without it, `resource` is
 *   the only audience that is a URL.
 * @example
 * import { getAuth } from '@telnyx-auth/express'
 *
 * app.post('/mcp', async (req, res) => {
 *   await transport.handleRequest(Object.assign(req, { auth: toAuthInfo(getAuth(req)) }), res, req.body)
 * })
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
    extra: { ...(subject !== undefined && { subject }), issuer, claims: Object.freeze({ ...claims }) },
  }
}

/** The audience that is this server. */
function resourceOf(audience: readonly string[], identifier: string | undefined): URL | undefined {
  if (identifier === undefined) {
    const [only, ...others] = audience.filter((each) => /^https?:/i.test(each) && URL.canParse(each))
    return only !== undefined && others.length === 0 ? new URL(only) : undefined
  }
  const resource = new URL(identifier)
  const isNamed = (each: string) => each === identifier || each === resource.href
  // Without a path, the identifier may lack the slash that the token has, or the other way round.
  return audience.some((each) => isNamed(each) || (resource.pathname === '/' && isNamed(`${each}/`)))
    ? resource
    : undefined
}
