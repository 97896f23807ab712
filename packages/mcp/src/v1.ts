import {
  InsufficientScopeError,
  InvalidTokenError,
  ServerError,
} from '@modelcontextprotocol/sdk/server/auth/errors.js'
import {
  createTokenVerifierWith,
  type RefusalCode,
  type TokenVerifier,
  type TokenVerifierOptions,
} from './token-verifier.js'

export type { AuthInfo } from './auth-info.js'
export type { TokenVerifier, TokenVerifierOptions } from './token-verifier.js'

/** The error classes of the SDK. */
export interface SdkErrors {
  /** The class whose errors `requireBearerAuth` answers with 401. */
  readonly InvalidTokenError: new (
    message: string,
  ) => Error
  /** The class whose errors it answers with 403. */
  readonly InsufficientScopeError: new (
    message: string,
  ) => Error
  /** The class whose errors it answers with 500. */
  readonly ServerError: new (
    message: string,
  ) => Error
}

/**
 * Creates the `OAuthTokenVerifier` for `requireBearerAuth` of the MCP SDK v1 (`@modelcontextprotocol/sdk`).
 *
 * @param options the options of a verifier, or a verifier that was created before
 * @param errors the error classes of `@modelcontextprotocol/sdk/server/auth/errors.js`, for programs in CommonJS: the SDK has
 *   another copy of them there, and `requireBearerAuth` answers 500 to errors of the other one
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
 *
 * const verifier = createTokenVerifier({ audience: 'https://api.example.com/mcp' })
 * app.post('/mcp', requireBearerAuth({ verifier }), handler)
 */
export function createTokenVerifier(
  options?: TokenVerifierOptions,
  errors: SdkErrors = { InvalidTokenError, InsufficientScopeError, ServerError },
): TokenVerifier {
  const classes: Readonly<Record<RefusalCode, new (message: string) => Error>> = {
    invalid_token: errors.InvalidTokenError,
    insufficient_scope: errors.InsufficientScopeError,
    server_error: errors.ServerError,
  }
  return createTokenVerifierWith(options, (code, message) => new classes[code](message))
}
