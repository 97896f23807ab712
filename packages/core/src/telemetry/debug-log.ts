/** The debug log: `NODE_DEBUG=telnyx-auth` prints it to stderr. */

const NAME = 'telnyx-auth'

/** Not an import: some runtimes have no `node:util`. The library works there without a log. */
const log = globalThis.process?.getBuiltinModule?.('node:util')?.debuglog?.(NAME)

/** What the runtime says about it. Node says it, Bun does not. */
const isEnabled: boolean | undefined = log?.enabled

/** Whether the log is on. Decided when the process starts, so that a log that is off costs nothing. */
export const isDebugging: boolean =
  isEnabled ?? (log !== undefined && /\btelnyx-auth\b/i.test(String(process.env.NODE_DEBUG)))

/**
 * Prints one line, with the members that have a value.
 *
 * @param event the name of the event
 * @example
 * debug('tokenRejected', { code: 'ERR_TOKEN_EXPIRED', claim: 'exp' })
 * // tokenRejected code="ERR_TOKEN_EXPIRED" claim="exp"
 */
export function debug(event: string, members: Readonly<Record<string, string | number | undefined>>): void {
  if (!isDebugging) return
  const known = Object.entries(members).filter(([, value]) => value !== undefined)
  // Not as the format string: an issuer's name may have a percent sign.
  log?.('%s', [event, ...known.map(([name, value]) => `${name}=${shown(value)}`)].join(' '))
}

/** Fractions of milliseconds are noise. */
function shown(value: string | number | undefined): string {
  return JSON.stringify(typeof value === 'number' ? Math.round(value) : value)
}
