import { parseJsonObject } from '../../base/json.js'
import type { JwtClaims } from '../../token/claims.js'
import type { JsonResponse } from '../http/http-json.js'
import { UnusableResponse } from './introspection-failure.js'

/**
 * What an issuer says of a token (RFC 7662 §2.2): its claims, that it is not active, or two things at once.
 * An `ambiguous` answer repeats a member name, and programs differ in which of the two they read.
 */
export type IntrospectionResponse =
  | { readonly state: 'active'; readonly claims: JwtClaims }
  | { readonly state: 'inactive' | 'ambiguous' }

const INACTIVE: IntrospectionResponse = { state: 'inactive' }
const AMBIGUOUS: IntrospectionResponse = { state: 'ambiguous' }

/**
 * Reads the body of an introspection answer.
 *
 * @throws {UnusableResponse}
 */
export function parseIntrospectionResponse(
  { body, durationMs }: JsonResponse,
  endpoint: string,
): IntrospectionResponse {
  const said = parseJsonObject(withoutByteOrderMark(body))
  if (said === 'repeated-member') return AMBIGUOUS
  if (typeof said === 'string') {
    // What the claims hold depends on the token; whether there are any does not.
    const kind = said === 'too-deep' ? 'unclear' : 'misconfigured'
    const { host } = new URL(endpoint)
    throw new UnusableResponse(kind, `The answer is not an introspection response (${said})`, {
      host,
      durationMs,
      status: 200,
    })
  }
  // Without a prototype: what the answer does not say is not found by inheritance.
  const claims: Record<string, unknown> = Object.assign(Object.create(null), said)
  const { active } = claims
  delete claims.active
  // RFC 7662 §2.2: only `true` is active.
  return active === true ? { state: 'active', claims } : INACTIVE
}

/** RFC 8259 §8.1: a parser may ignore it, and some servers send it. */
function withoutByteOrderMark({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}
