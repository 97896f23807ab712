/** Conditional requests (RFC 9110 §13): a document that has not changed is not sent again. */

import type { JsonResponse } from './http-json.js'

/** The entity tag of a response, if it has one that can be sent back unchanged (RFC 9110 §8.8.3). */
export function etagOf({ etag }: Pick<JsonResponse, 'etag'>): string | undefined {
  return etag !== null && /^(W\/)?"[\x21\x23-\x7e]{0,256}"$/.test(etag) ? etag : undefined
}

/** The headers of a request that accepts the status 304 in place of a document with this entity tag (RFC 9110 §13.1.2). */
export function conditionalHeaders(accept: string, etag: string | undefined): Record<string, string> {
  if (etag === undefined) return { accept }
  // Without it, Node's `fetch` adds `no-cache`, and some servers then answer with the whole document.
  return { accept, 'if-none-match': etag, 'cache-control': 'max-age=0' }
}
