import { type JsonObjectFault, parseJsonObject } from '../base/json.js'
import { InvalidTokenError } from '../errors/errors.js'
import type { Reason } from '../errors/reasons.js'
import { looksLikeApiKey } from '../request/missing-token.js'
import type { Signed } from './signature.js'

/** A JOSE header whose signature is not verified yet. */
export interface UnverifiedHeader {
  readonly alg?: unknown
  readonly kid?: unknown
  readonly typ?: unknown
  readonly crit?: unknown
  readonly b64?: unknown
  /** The public key of a proof (RFC 9449 §4.2). In a token, it is not read. */
  readonly jwk?: unknown
}

/** A token of the right form. Its signature is not verified yet, so anyone may have written its content. */
export interface UnverifiedToken {
  readonly unverifiedHeader: UnverifiedHeader
  readonly unverifiedClaims: Record<string, unknown>
  /** The bytes that the signature covers, and the signature. */
  readonly signed: Signed
}

/** The characters of a Bearer credential (RFC 6750 §2.1), with at least one letter or digit. */
const OPAQUE = /^(?=.*[A-Za-z0-9])[A-Za-z0-9\-._~+/]+=*$/

/**
 * Whether a token is opaque: it does not have the three parts of a signed JWT (RFC 7519 §3), so only its issuer can read it.
 * A token with three parts is always treated as a JWT.
 */
export function isOpaqueToken(token: string, maxTokenBytes: number): boolean {
  return token.length <= maxTokenBytes && OPAQUE.test(token) && !hasThreeParts(token)
}

/** Whether a token has as many parts as a signed JWT. */
function hasThreeParts(token: string): boolean {
  const payloadEnd = token.indexOf('.', token.indexOf('.') + 1)
  return payloadEnd > 0 && !token.includes('.', payloadEnd + 1)
}

/** Most issuers send one header per key. */
const MAX_HEADERS = 100

/** Cache of the parsed headers of verified tokens. Tokens of one key mostly have the same header, which is parsed once. */
export class KnownHeaders {
  readonly #bySegment = new Map<string, UnverifiedHeader>()
  /** The same headers: to find one again by its identity is faster than by its text. */
  readonly #headers = new Set<UnverifiedHeader>()
  readonly #max: number

  /** @param max how many headers are kept */
  constructor(max: number = MAX_HEADERS) {
    this.#max = max
  }

  get(segment: string): UnverifiedHeader | undefined {
    return this.#bySegment.get(segment)
  }

  /** @param token a verified token: with unverified ones, any caller could fill the cache */
  remember(token: string, header: UnverifiedHeader): void {
    if (this.#headers.has(header)) return
    // An issuer with a different header in each token makes the cache useless, but not larger.
    if (this.#headers.size >= this.#max) {
      this.#headers.clear()
      this.#bySegment.clear()
    }
    this.#headers.add(header)
    this.#bySegment.set(token.slice(0, token.indexOf('.')), header)
  }
}

/**
 * Parses the compact serialization of a signed JWT (RFC 7519 §7.2, RFC 7515 §7.1). Of each token, only one spelling is
 * accepted. The content is not checked.
 *
 * @param maxTokenBytes longer tokens are refused unread
 * @param known headers that need not be parsed again
 * @throws {InvalidTokenError} `ERR_TOKEN_TOO_LARGE`, `ERR_TOKEN_MALFORMED`
 */
export function parseUnverifiedToken(
  token: string,
  maxTokenBytes: number,
  known: KnownHeaders,
): UnverifiedToken {
  checkSize(token, maxTokenBytes)
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
  const signature = decodeBase64url(token.slice(payloadEnd + 1), 'signature')
  return {
    unverifiedHeader: known.get(header) ?? parseObject(decodeBase64url(header, 'header'), 'header'),
    unverifiedClaims: parseObject(decodeBase64url(payload, 'payload'), 'payload'),
    // RFC 7515 §5.2 (step 8). Both parts are base64url by now.
    signed: { signingInput: Buffer.from(token.slice(0, payloadEnd), 'latin1'), signature },
  }
}

/** The first check of all. A JWT is ASCII, so characters are bytes. */
export function checkSize(token: string, maxTokenBytes: number): void {
  if (token.length > maxTokenBytes)
    throw new InvalidTokenError('ERR_TOKEN_TOO_LARGE', { reason: 'too-large' })
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
