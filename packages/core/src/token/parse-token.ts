import { type JsonObjectFault, parseJsonObject } from '../base/json.js'
import { InvalidTokenError } from '../errors/errors.js'
import type { Reason } from '../errors/reasons.js'
import { looksLikeApiKey } from '../request/authorization-header.js'

/** A JOSE header that nobody has vouched for yet. */
export interface UnverifiedHeader {
  readonly alg?: unknown
  readonly kid?: unknown
  readonly typ?: unknown
  readonly crit?: unknown
  readonly b64?: unknown
}

/** A token whose form is right, and whose content anybody may have written. */
export interface UnverifiedToken {
  readonly unverifiedHeader: UnverifiedHeader
  readonly unverifiedClaims: Record<string, unknown>
}

/** What a Bearer credential is made of (RFC 6750 §2.1); dots and signs alone are no token of anybody's. */
const OPAQUE = /^(?=.*[A-Za-z0-9])[A-Za-z0-9\-._~+/]+=*$/

/**
 * Whether a token is not meant to be a signed JWT: it does not have the three parts of one (RFC 7519 §3), so that only
 * its issuer can read it. Whatever has three parts is judged as a JWT.
 */
export function isOpaqueToken(token: string, maxTokenBytes: number): boolean {
  return token.length <= maxTokenBytes && OPAQUE.test(token) && !hasThreeParts(token)
}

/** Whether a token has as many parts as a signed JWT. */
export function hasThreeParts(token: string): boolean {
  const payloadEnd = token.indexOf('.', token.indexOf('.') + 1)
  return payloadEnd > 0 && !token.includes('.', payloadEnd + 1)
}

/** How many headers are remembered: issuers have one for each key. */
const MAX_HEADERS = 100

/** The headers of tokens that were found to be good: they are the same for all that a key signs, and read once. */
export class KnownHeaders {
  readonly #bySegment = new Map<string, UnverifiedHeader>()

  get(segment: string): UnverifiedHeader | undefined {
    return this.#bySegment.get(segment)
  }

  /** @param token one that was verified: of others, anybody could make any number */
  remember(token: string, header: UnverifiedHeader): void {
    const segment = token.slice(0, token.indexOf('.'))
    if (this.#bySegment.has(segment)) return
    // Whoever writes something else into each header gains nothing here, and others lose little.
    if (this.#bySegment.size >= MAX_HEADERS) this.#bySegment.clear()
    this.#bySegment.set(segment, header)
  }
}

/**
 * Reads the compact serialization of a signed JWT (RFC 7519 §7.2, RFC 7515 §7.1): exactly one spelling is
 * accepted, so that one token has one form. Nothing about the content is checked.
 *
 * @throws {InvalidTokenError} `ERR_TOKEN_TOO_LARGE`, `ERR_TOKEN_MALFORMED`
 */
export function parseUnverifiedToken(
  token: string,
  maxTokenBytes: number,
  known: KnownHeaders,
): UnverifiedToken {
  // Before anything looks at it. All that a JWT may hold is ASCII, so characters are bytes.
  if (token.length > maxTokenBytes)
    throw new InvalidTokenError('ERR_TOKEN_TOO_LARGE', { reason: 'too-large' })

  const headerEnd = token.indexOf('.')
  const payloadEnd = token.indexOf('.', headerEnd + 1)
  if (headerEnd < 1 || payloadEnd < 0)
    throw malformed(
      'The access token is not a JWT of three parts',
      looksLikeApiKey(token) ? 'api-key' : 'not-three-parts',
    )
  // RFC 7516 §9: five parts are an encrypted JWT.
  if (token.includes('.', payloadEnd + 1))
    throw malformed(
      'The access token has more than three parts; encrypted JWTs are not supported',
      token.split('.', 6).length === 5 ? 'encrypted' : 'not-three-parts',
    )

  const [header, payload] = [token.slice(0, headerEnd), token.slice(headerEnd + 1, payloadEnd)]
  decodeBase64url(token.slice(payloadEnd + 1), 'signature')
  return {
    unverifiedHeader: known.get(header) ?? parseObject(decodeBase64url(header, 'header'), 'header'),
    unverifiedClaims: parseObject(decodeBase64url(payload, 'payload'), 'payload'),
  }
}

/** RFC 7515 §2: base64url without padding, white space or other characters, and in its canonical form. */
function decodeBase64url(segment: string, part: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url')
  if (bytes.toString('base64url') !== segment)
    throw malformed(`The ${part} of the access token is not canonical base64url`, 'not-base64url')
  return bytes
}

/** RFC 7519 §7.2 (steps 3 and 10): a JSON object in UTF-8, in which no member name is repeated (RFC 7519 §4). */
function parseObject(bytes: Buffer, part: string): Record<string, unknown> {
  const value = parseJsonObject(bytes)
  if (typeof value === 'string') throw malformed(`The ${part} of the access token ${FAULTS[value]}`, value)
  return value
}

const FAULTS: Readonly<Record<JsonObjectFault, string>> = {
  'not-utf8': 'is not UTF-8',
  'too-deep': 'is nested too deep',
  'not-json': 'is not JSON',
  'not-an-object': 'is not a JSON object',
  'repeated-member': 'repeats a member name',
}

function malformed(message: string, reason: Reason): InvalidTokenError {
  return new InvalidTokenError('ERR_TOKEN_MALFORMED', { message, reason })
}
