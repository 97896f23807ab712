import { createTokenVerifierWith, type TokenVerifier, type TokenVerifierOptions } from './token-verifier.js'

export { type AuthInfo, toAuthInfo } from './auth-info.js'
export type { CorsOption } from './cors.js'
export { createMcpGate, type McpGate, type McpGateResult } from './gate.js'
export type { McpAuthOptions, McpEndpointOptions } from './options.js'
export type { TokenVerifier, TokenVerifierOptions } from './token-verifier.js'
export type { JsonRpcMessage, ScopesByName, ToolScopes } from './tool-scopes.js'

/**
 * Creates the `OAuthTokenVerifier` for `requireBearerAuth` of the MCP SDK v2 (`@modelcontextprotocol/express`, or
 * `@modelcontextprotocol/server`). For v1, it is in `@telnyx-auth/mcp/v1`.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * import { requireBearerAuth } from '@modelcontextprotocol/express'
 *
 * const verifier = createTokenVerifier({ audience: 'https://api.example.com/mcp' })
 * app.all('/mcp', requireBearerAuth({ verifier }), handler)
 */
export function createTokenVerifier(options?: TokenVerifierOptions): TokenVerifier {
  return createTokenVerifierWith(options, async (code, message) => {
    // Not at the top: the other functions of this module need no SDK.
    const { OAuthError } = await import('@modelcontextprotocol/server')
    return new OAuthError(code, message)
  })
}
