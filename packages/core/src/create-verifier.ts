import { systemClock } from './base/clock.js'
import type { Policy } from './policy/policy.js'
import type { Auth } from './token/auth.js'
import type { JwtClaims } from './token/claims.js'
import { TokenVerifier, type Verifier } from './verifier.js'
import { resolveOptions, type VerifierOptions } from './verifier-options.js'

/**
 * Makes a verifier. Nothing is fetched before the first token, or `preload()`.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 */
export function createVerifier<Claims extends object = JwtClaims>(
  options?: VerifierOptions<Claims>,
): Verifier<Claims>
export function createVerifier(options?: VerifierOptions): Verifier {
  return new TokenVerifier(resolveOptions(options, process.env), systemClock)
}

let processVerifier: Verifier | undefined

/**
 * Verifies an access token with one verifier for the whole process, made from the environment at first use.
 *
 * @typeParam Claims the claims that this issuer's tokens carry
 * @throws {ConfigurationError} when the environment does not say enough to make one
 * @throws {TelnyxAuthError} when the token is not acceptable, or cannot be checked
 */
export async function verify<Claims extends object = JwtClaims>(
  token: string,
  policy?: Policy<Claims>,
): Promise<Auth<Claims>>
export async function verify(token: string, policy?: Policy): Promise<Auth> {
  processVerifier ??= createVerifier()
  return processVerifier.verify(token, policy)
}
