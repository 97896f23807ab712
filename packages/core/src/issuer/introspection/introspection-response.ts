import { parseJsonObject } from '../../base/json.js'
import type { JwtClaims } from '../../token/claims.js'
import type { JsonResponse } from '../http/http-json.js'
import { UnusableResponse } from './introspection-failure.js'

/**
 * An introspection response (RFC 7662 §2.2). An `ambiguous` one repeats a member name, and programs differ in which of the
 * two members they read.
 */
export type IntrospectionResponse =
  | { readonly state: 'active'; readonly claims: JwtClaims }
  | { readonly state: 'inactive' | 'ambiguous' }

const INACTIVE: IntrospectionResponse = { state: 'inactive' }
const AMBIGUOUS: IntrospectionResponse = { state: 'ambiguous' }

/**
 * Parses the body of an introspection response. The claims are not validated.
 *
 * @throws {UnusableResponse} for a body that is not a JSON object, or is nested too deep
 */
export function parseIntrospectionResponse(
  { body, durationMs }: Pick<JsonResponse, 'body' | 'durationMs'>,
  endpoint: string,
): IntrospectionResponse {
  const parsed = parseJsonObject(withoutByteOrderMark(body))
  if (parsed === 'repeated-member') return AMBIGUOUS
  if (typeof parsed === 'string') {
    // The depth of the claims depends on the token; a body that is no JSON object does not.
    const kind = parsed === 'too-deep' ? 'unclear' : 'misconfigured'
    const { host } = new URL(endpoint)
    throw new UnusableResponse(kind, `The body is not an introspection response (${parsed})`, {
      host,
      durationMs,
      status: 200,
    })
  }
  // Without a prototype, so that absent claims are not inherited from it.
  const claims: Record<string, unknown> = Object.assign(Object.create(null), parsed)
  const { active } = claims
  delete claims.active
  // RFC 7662 §2.2: only `true` is active.
  return active === true ? { state: 'active', claims } : INACTIVE
}

/** RFC 8259 §8.1: a parser may ignore the byte order mark, and some servers send one. */
function withoutByteOrderMark({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}
