import { isUtf8 } from 'node:buffer'
import { InvalidTokenError } from '../errors.js'
import { withoutPrototypes } from '../own-members.js'
import type { Reason } from '../reasons.js'
import { looksLikeApiKey } from '../request/bearer.js'

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

/** No access token nests deeper; a limit keeps every later walk over the claims from exhausting the stack. */
export const MAX_DEPTH = 64

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
  if (!isUtf8(bytes)) throw malformed(`The ${part} of the access token is not UTF-8`, 'not-utf8')
  const { depth, members } = measure(bytes)
  if (depth > MAX_DEPTH) throw malformed(`The ${part} of the access token is nested too deep`, 'too-deep')
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch {
    // The parser's own error is not kept as the cause: it quotes the token.
    throw malformed(`The ${part} of the access token is not JSON`, 'not-json')
  }
  if (!isObject(value))
    throw malformed(`The ${part} of the access token is not a JSON object`, 'not-an-object')
  // A parser keeps one of several members of the same name, and parsers differ in which: what one program
  // checks, the next one does not see. Fewer members in the value than in the text means that one was lost.
  if (countMembers(value) !== members)
    throw malformed(`The ${part} of the access token repeats a member name`, 'repeated-member')
  return withoutPrototypes(value)
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a]
const [OPENING_BRACE, OPENING_BRACKET, CLOSING_BRACE, CLOSING_BRACKET] = [0x7b, 0x5b, 0x7d, 0x5d]

/** How deep a JSON text is nested and how many members its objects have: outside strings, a colon is a member. */
function measure(utf8: Uint8Array): { depth: number; members: number } {
  let depth = 0
  let deepest = 0
  let members = 0
  let inString = false
  for (let index = 0; index < utf8.length; index++) {
    const byte = utf8[index]
    if (inString) {
      if (byte === BACKSLASH) index++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === COLON) members++
    else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) deepest = Math.max(deepest, ++depth)
    else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) depth--
  }
  return { depth: deepest, members }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const children = Object.values(value)
  let members = Array.isArray(value) ? 0 : children.length
  for (const child of children) members += countMembers(child)
  return members
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(message: string, reason: Reason): InvalidTokenError {
  return new InvalidTokenError('ERR_TOKEN_MALFORMED', { message, reason })
}
