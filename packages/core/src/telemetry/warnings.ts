import type { ErrorCode } from '../errors/error-codes.js'

/** The most causes that are remembered: a program that makes verifiers without end must not grow by it. */
const MAX_WARNINGS = 1000

const warned = new Set<string>()

/**
 * Warns about what only a person can repair (a wrong address, refused credentials): by a process warning of the type
 * `TelnyxAuthWarning` with the error's code, once per issuer and cause.
 *
 * @param cause a short constant word, such as a reason: with the issuer, what makes a warning the same one
 * @param message for operators: no token, no secret and no value of a claim
 */
export function warnOnce(code: ErrorCode, issuer: string, cause: string, message: string): void {
  const key = JSON.stringify([code, issuer, cause])
  if (warned.has(key) || warned.size >= MAX_WARNINGS) return
  warned.add(key)
  // Some runtimes have no process warnings.
  globalThis.process?.emitWarning?.(message, { type: 'TelnyxAuthWarning', code })
}
