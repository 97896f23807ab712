/**
 * A process may hold several copies of this package: two versions, or one that was bundled and one that was not. They do not see
 * each other's requests. So that an error can name this cause, each copy tells the others how to ask it.
 */

type HasState = (request: unknown) => boolean

const KEY = Symbol.for('@telnyx-auth/core.copies')

/** How this copy answers; set once. */
let own: HasState | undefined

/** Lets other copies ask whether this one has authenticated or refused a request. */
export function announceCopy(hasState: HasState): void {
  if (own) return
  own = hasState
  const copies = announced()
  if (copies) copies.push(hasState)
  else Object.defineProperty(globalThis, KEY, { value: [hasState] })
}

/** Whether another copy has authenticated or refused a request. */
export function isKnownToAnotherCopy(request: unknown): boolean {
  return announced()?.some((hasState) => hasState !== own && hasState(request)) === true
}

function announced(): HasState[] | undefined {
  // Only copies of this package write there.
  return Object.getOwnPropertyDescriptor(globalThis, KEY)?.value as HasState[] | undefined
}
