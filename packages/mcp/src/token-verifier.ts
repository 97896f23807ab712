import { isTelnyxAuthError, toResponse, type Verifier, type VerifierOptions } from '@telnyx-auth/core'
import { createAuthenticator } from '@telnyx-auth/core/adapter'
import { type AuthInfo, toAuthInfo } from './auth-info.js'

/** The options of a verifier, or a verifier that was created before. */
export type TokenVerifierOptions =
  | (VerifierOptions & {
      /** Absent: the options are those of a new verifier. */
      readonly verifier?: undefined
    })
  | {
      /** The verifier that was created before. */
      readonly verifier: Verifier<object>
    }

/** The `OAuthTokenVerifier` of the MCP SDK. */
export interface TokenVerifier {
  /**
   * Verifies an access token.
   *
   * @throws the error class of the SDK: for a token that is refused, one that `requireBearerAuth` answers with 401 or 403; while
   *   the issuer cannot be reached, one that it answers with 500, so that users are not sent to sign in again
   */
  verifyAccessToken(token: string): Promise<AuthInfo>
}

/** Error codes that the SDK knows (RFC 6750 §3.1, RFC 6749 §4.1.2.1). */
export type RefusalCode = 'invalid_token' | 'insufficient_scope' | 'server_error'

/**
 * @param createError creates an error of the SDK
 * @throws {ConfigurationError}
 */
export function createTokenVerifierWith(
  options: TokenVerifierOptions | undefined,
  createError: (code: RefusalCode, message: string) => Error | Promise<Error>,
): TokenVerifier {
  const { verifier, resource } = createAuthenticator(
    options,
    {},
    { slashAfterHost: true, loopbackResource: true },
  )
  return {
    async verifyAccessToken(token) {
      try {
        return toAuthInfo(await verifier.verify(token), resource)
      } catch (error) {
        // A programming error is answered with 500 by the SDK.
        if (!isTelnyxAuthError(error) || error.code === 'ERR_CONFIGURATION') throw error
        const { status, body } = toResponse(error)
        const created = await createError(codeOf(status), body.error_description ?? error.message)
        // For operators. What the SDK sends has only the code and the fixed sentence.
        throw Object.defineProperty(created, 'cause', { value: error, configurable: true, writable: true })
      }
    },
  }
}

function codeOf(status: number): RefusalCode {
  if (status >= 500) return 'server_error'
  return status === 403 ? 'insufficient_scope' : 'invalid_token'
}
