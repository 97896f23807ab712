import { InvalidTokenError } from '../errors/errors.js'

/**
 * Checks that the sender of a token may use it. No proof of possession is supported yet, so every token that is bound to a
 * key or a certificate is refused: without that key it proves nothing (RFC 9449 §7.2, RFC 8705 §3). Unknown confirmation
 * methods bind a token no less (RFC 7800 §3.1).
 *
 * @param claims claims of a token or of an introspection response
 * @throws {InvalidTokenError} `ERR_TOKEN_BOUND`
 */
export function checkSender({ cnf }: Readonly<Record<string, unknown>>): void {
  if (cnf !== undefined) throw new InvalidTokenError('ERR_TOKEN_BOUND', { claim: 'cnf', reason: 'bound' })
}
