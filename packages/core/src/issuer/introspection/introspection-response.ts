import { parseJsonObject } from '../../base/json.js'
import type { JwtClaims } from '../../token/claims.js'
import type { JsonDocument } from '../http/http-json.js'
import { UnusableAnswer } from './introspection-failure.js'

/**
 * What an issuer says of a token (RFC 7662 §2.2): its claims, that it is not active, or two things at once.
 * An `ambiguous` answer repeats a member name, and programs differ in which of the two they read.
 */
export type Answer =
  | { readonly state: 'active'; readonly claims: JwtClaims }
  | { readonly state: 'inactive' | 'ambiguous' }

const INACTIVE: Answer = { state: 'inactive' }
const AMBIGUOUS: Answer = { state: 'ambiguous' }

/**
 * Reads the body of an introspection answer.
 *
 * @throws {UnusableAnswer}
 */
export function readAnswer({ body, durationMs }: JsonDocument, endpoint: string): Answer {
  const said = parseJsonObject(withoutByteOrderMark(body))
  if (said === 'repeated-member') return AMBIGUOUS
  if (typeof said === 'string') {
    // What the claims hold depends on the token; whether there are any does not.
    const affair = said === 'too-deep' ? 'unclear' : 'service'
    const { host } = new URL(endpoint)
    throw new UnusableAnswer(affair, `The answer is not an introspection response (${said})`, {
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
