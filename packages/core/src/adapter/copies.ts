/**
 * Several copies of this package in one process (two versions, or one bundled and one not) do not know each other's
 * requests. So that a copy can say so, each tells the others how to ask it.
 */

type Admitted = (request: unknown) => boolean

const KEY = Symbol.for('@telnyx-auth/core.copies')

/** How this copy answers; set once. */
let own: Admitted | undefined

/** Lets other copies ask whether this one has admitted or refused a request. */
export function announceCopy(admitted: Admitted): void {
  if (own) return
  own = admitted
  const copies = announced()
  if (copies) copies.push(admitted)
  else Object.defineProperty(globalThis, KEY, { value: [admitted] })
}

/** Whether another copy has admitted or refused a request. */
export function isKnownToAnotherCopy(request: unknown): boolean {
  return announced()?.some((admitted) => admitted !== own && admitted(request)) === true
}

function announced(): Admitted[] | undefined {
  // Only copies of this package write there.
  return Object.getOwnPropertyDescriptor(globalThis, KEY)?.value as Admitted[] | undefined
}
