/** That a command was not carried out, or may not have been. The message has no key and no value. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError'
}

/**
 * The error to throw for one of a client. Those of clients hold the command, with the key and the value, or repeat a part of it: only
 * the kind of error is kept.
 */
export function failureOf(error: unknown): StoreUnavailableError {
  return error instanceof StoreUnavailableError
    ? error
    : new StoreUnavailableError(`The command to Redis failed (${kindOf(error)})`)
}

/** `ECONNREFUSED`, `NOPERM`, `ClientClosedError` … */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  // A system error.
  if ('code' in error && typeof error.code === 'string' && /^E[A-Z_]{1,30}$/.test(error.code))
    return error.code
  // The server's errors begin with their kind. A key of ours is longer.
  const [word] = /^[A-Z]{2,20}(?= |$)/.exec(error.message) ?? []
  if (word !== undefined) return word
  const name = error.name === 'Error' ? error.constructor.name : error.name
  return /^[A-Za-z]{1,50}$/.test(name) ? name : 'Error'
}
