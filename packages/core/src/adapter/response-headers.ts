import { isPollution } from '../base/own-members.js'
import { FRAMING_HEADERS } from '../errors/writable-headers.js'

/**
 * Where a framework keeps the headers of a response, as Node's response does.
 *
 * @example
 * ```ts
 * import type { HeaderStore } from '@telnyx-auth/core/adapter'
 *
 * const stores: HeaderStore[] = [reply, reply.raw] // as in Fastify
 * ```
 */
export interface HeaderStore {
  /** Whether the headers were sent, so that none can be changed. */
  readonly headersSent?: boolean | undefined
  /** As that of Node's response. */
  hasHeader(name: string): boolean
  /** All headers, by name. Without it, `hasHeader` is asked for each name that would be removed. */
  getHeaders?(): object
  /** As that of Node's response. */
  removeHeader(name: string): unknown
  /** For frameworks that keep trailers apart from headers, as Fastify does. */
  removeTrailer?(name: string): unknown
}

/**
 * Every header with which earlier middleware may have described the body of a response, or how long it may be stored. None of
 * them is true of an answer of this library. The fields of vendors override `Cache-Control` (RFC 9213 §2.2, nginx).
 */
const ABOUT_A_BODY: readonly string[] = [
  ...FRAMING_HEADERS,
  // RFC 9110 §8, RFC 9530, RFC 6266
  'Content-Type',
  'Content-Language',
  'Content-Location',
  'Content-Disposition',
  'Content-MD5',
  'Content-Digest',
  'Repr-Digest',
  'Digest',
  'ETag',
  'Last-Modified',
  'Accept-Ranges',
  // RFC 9111
  'Cache-Control',
  'Age',
  'Expires',
  'Pragma',
  'CDN-Cache-Control',
  'Cloudflare-CDN-Cache-Control',
  'Netlify-CDN-Cache-Control',
  'Vercel-CDN-Cache-Control',
  'Surrogate-Control',
  'Edge-Control',
  'X-Accel-Expires',
  // A body that a proxy sends in place of this one.
  'X-Accel-Redirect',
  'X-Sendfile',
]

/** Values that are no store are ignored: another framework may have called the adapter. */
type Stores = readonly (HeaderStore | undefined)[]

/**
 * Removes what earlier middleware has set about the body, before an answer of this library is written.
 *
 * @param headers the headers of the answer. Earlier ones of the same names are removed too: some frameworks would prefer them
 */
export function clearForAnswer(given: Stores, headers: Readonly<Record<string, string>>): void {
  const stores = unsent(given)
  remove([...ABOUT_A_BODY, ...Object.keys(headers)], stores)
  // The reason phrase of another status. In HTTP/2 there is none: there, this is an accessor of the class that warns.
  for (const store of stores)
    if (Object.hasOwn(store, 'statusMessage')) Reflect.deleteProperty(store, 'statusMessage')
}

/**
 * Removes what frames or encodes a body, before the error handling of the framework writes one. Everything else stays: the
 * application may go on instead, and the headers of the error replace `Cache-Control`.
 */
export function clearForError(given: Stores): void {
  remove(FRAMING_HEADERS, unsent(given))
}

/** None at all once one of them has sent its headers. */
function unsent(given: Stores): readonly HeaderStore[] {
  const stores = given.filter(isHeaderStore)
  return stores.some((store) => store.headersSent && !isPollution(store, 'headersSent')) ? [] : stores
}

function isHeaderStore(store: HeaderStore | undefined): store is HeaderStore {
  return typeof store?.hasHeader === 'function'
}

function remove(names: readonly string[], stores: readonly HeaderStore[]): void {
  for (const store of stores) {
    const set = headersOf(store)?.map((name) => name.toLowerCase())
    // Mostly, no header is set.
    if (set?.length !== 0)
      for (const name of names) {
        // Only headers that are set: Node does not add a length by itself once one was removed.
        const isSet = set ? set.includes(name.toLowerCase()) : store.hasHeader(name)
        if (isSet) store.removeHeader(name)
      }
    if (typeof store.removeTrailer === 'function') for (const name of names) store.removeTrailer(name)
  }
}

/** The names of the headers that are set. `undefined` where the store cannot list them. */
function headersOf(store: HeaderStore): readonly string[] | undefined {
  if (typeof store.getHeaders !== 'function' || isPollution(store, 'getHeaders')) return undefined
  const headers: unknown = store.getHeaders()
  return typeof headers === 'object' && headers !== null ? Object.keys(headers) : undefined
}
