/** What `NODE_DEBUG=telnyx-auth` prints to stderr. */

const NAME = 'telnyx-auth'

/** Not an import: some runtimes have no `node:util`, and the library works there without a log. */
const log = globalThis.process?.getBuiltinModule?.('node:util')?.debuglog?.(NAME)

/** Whether lines are printed: decided when the process starts, so that it costs nothing when it is off. */
export const isDebugging: boolean = log?.enabled === true

/**
 * Prints one line with the members that have a value.
 *
 * @param event what happened, in the words of the event of the same name
 */
export function debug(event: string, members: Readonly<Record<string, string | number | undefined>>): void {
  if (!isDebugging) return
  const known = Object.entries(members).filter(([, value]) => value !== undefined)
  // The line is no format: an issuer may have a percent sign in its name.
  log?.('%s', [event, ...known.map(([name, value]) => `${name}=${JSON.stringify(value)}`)].join(' '))
}
