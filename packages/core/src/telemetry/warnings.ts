import type { ErrorCode } from '../errors/error-codes.js'

/** The most warnings that are remembered: memory must not grow in a program that creates verifiers all the time. */
const MAX_WARNINGS = 1000

const warned = new Set<string>()

/**
 * Emits a process warning of type `TelnyxAuthWarning`, once per code, issuer and cause, for a failure that only a person can
 * repair: a wrong address, refused credentials.
 *
 * @param cause a short constant word, such as a reason
 * @param issuer empty where it is about none
 * @param message for operators, without token, secret and claim value
 * @example
 * ```ts
 * warnOnce('ERR_CONFIGURATION', '', 'wrong-framework', 'A middleware was called by another framework than it is for')
 * ```
 */
export function warnOnce(code: ErrorCode, issuer: string, cause: string, message: string): void {
  const key = JSON.stringify([code, issuer, cause])
  if (warned.has(key) || warned.size >= MAX_WARNINGS) return
  warned.add(key)
  // Some runtimes have no process warnings.
  globalThis.process?.emitWarning?.(message, { type: 'TelnyxAuthWarning', code })
}

/** Each warning is emitted again. For tests: a process that runs many test files has emitted most warnings before. */
export function forgetWarnings(): void {
  warned.clear()
}
