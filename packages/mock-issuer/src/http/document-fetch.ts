import { documentError } from '../protocol/client-document.js'
import { OAuthError } from '../protocol/refusals.js'
import type { FetchedDocument } from '../state/client-documents.js'
import { readLimited } from './limited-body.js'

/** The part of `fetch` that is used. */
export type DocumentFetch = (url: string, init: RequestInit) => Promise<Response>

/** CIMD §6.6 */
const MAX_BYTES = 5 * 1024
/** For the whole response, by the real clock. */
const TIMEOUT_MS = 5000

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json *(?:;|$)/i

/**
 * Fetches the metadata document of a client (CIMD §4). The URL was checked before.
 *
 * @throws {OAuthError} `invalid_client`. The reason of a failed connection is not told: it could say something about the
 * network of the issuer
 */
export async function fetchDocument(url: string, fetch: DocumentFetch): Promise<FetchedDocument> {
  const abort = new AbortController()
  let timer: NodeJS.Timeout | undefined
  // A race, and not only the signal: a `fetch` that ignores its signal must not block a request.
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(documentError('was not sent in time')), TIMEOUT_MS)
  })
  try {
    return await Promise.race([request(url, fetch, abort.signal), timeout])
  } catch (error) {
    throw error instanceof OAuthError ? error : documentError('cannot be fetched')
  } finally {
    clearTimeout(timer)
    // A response that was not read to its end does not hold its connection.
    abort.abort()
  }
}

async function request(url: string, fetch: DocumentFetch, signal: AbortSignal): Promise<FetchedDocument> {
  const headers = { accept: 'application/json' }
  const response = await fetch(url, { method: 'GET', headers, redirect: 'manual', signal })
  // CIMD §4: no redirect is followed, and every other status is an error.
  if (response.status !== 200 || response.redirected) throw documentError('was not answered with status 200')
  if (!JSON_TYPE.test(response.headers.get('content-type') ?? ''))
    throw documentError('does not have the content type application/json')
  const tooLong = () => documentError(`is longer than ${MAX_BYTES} bytes`)
  if (Number(response.headers.get('content-length')) > MAX_BYTES) throw tooLong()
  const body = await readLimited(response.body, MAX_BYTES)
  if (!body) throw tooLong()
  return { value: parse(body), lifetimeSeconds: lifetimeSeconds(response.headers) }
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    // The error of the parser quotes the body.
    throw documentError('is not JSON')
  }
}

/**
 * How long a shared cache may keep the response (RFC 9111 §4.2.1, §5.2.2). Without a directive that says so, it is not
 * kept: the developers of a client then see each change at once.
 */
function lifetimeSeconds(headers: Headers): number {
  const directives = new Map<string, string>()
  for (const directive of (headers.get('cache-control') ?? '').toLowerCase().split(',')) {
    const [name = '', value = ''] = directive.split('=').map((part) => part.trim())
    // RFC 9111 §4.2.1: a directive that is repeated makes the response stale.
    directives.set(name, directives.has(name) ? '' : value)
  }
  if (['no-store', 'no-cache', 'private'].some((name) => directives.has(name))) return 0
  const maxAge = directives.get('s-maxage') ?? directives.get('max-age')
  return Math.max(0, seconds(maxAge) - seconds(headers.get('age')))
}

/** A value that is no number of seconds counts as 0. */
function seconds(value: string | null | undefined): number {
  return /^\d+$/.test(value ?? '') ? Number(value) : 0
}
