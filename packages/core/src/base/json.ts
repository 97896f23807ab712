import { isUtf8 } from 'node:buffer'
import { valueWithoutPrototypes, withoutPrototypes } from './own-members.js'
import { resumeStackTraces, suspendStackTraces } from './stack-trace.js'

/** The deepest nesting. With a limit, no later recursion over the values exhausts the stack. */
const MAX_DEPTH = 64

/** Why bytes are not an acceptable JSON object. */
export type JsonObjectFault = 'not-utf8' | 'too-deep' | 'not-json' | 'not-an-object' | 'repeated-member'

/**
 * Parses a JSON object in UTF-8 without repeated member names (RFC 7519 §4, RFC 8725 §2.4).
 *
 * @returns the object, which inherits nothing, or the fault; never the parser's own error, which quotes the text
 * @example
 * parseJsonObject(Buffer.from('{"sub":"a","sub":"b"}')) // 'repeated-member'
 */
export function parseJsonObject(bytes: Buffer): Record<string, unknown> | JsonObjectFault {
  if (!isUtf8(bytes)) return 'not-utf8'
  const { depth, members, isClosed } = measure(bytes)
  if (depth > MAX_DEPTH) return 'too-deep'
  // Such as JSON that was cut off. The error of a parser would take longer than all that was done so far.
  if (!isClosed) return 'not-json'
  const value = parseText(bytes.toString())
  if (value === undefined) return 'not-json'
  if (!isJsonObject(value)) return 'not-an-object'
  // Parsers differ in which of two members of the same name they keep, so two programs may see different claims. A value
  // with fewer members than its text has lost one.
  return countMembers(value) === members ? withoutPrototypes(value) : 'repeated-member'
}

/** @returns `undefined` when the text is not JSON */
function parseText(text: string): unknown {
  // Callers can send any text, and the stack trace of the error is not used.
  const limit = suspendStackTraces()
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  } finally {
    resumeStackTraces(limit)
  }
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a]
const [OPENING_BRACE, OPENING_BRACKET, CLOSING_BRACE, CLOSING_BRACKET] = [0x7b, 0x5b, 0x7d, 0x5d]

/**
 * The depth of a JSON text, the number of members in its objects (outside strings, each colon is one member), and whether every
 * string, object and array in it ends.
 */
function measure(utf8: Uint8Array): { depth: number; members: number; isClosed: boolean } {
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
  return { depth: deepest, members, isClosed: depth === 0 && !inString }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const children = Object.values(value)
  let members = Array.isArray(value) ? 0 : children.length
  for (const child of children) members += countMembers(child)
  return members
}

/** Whether a JSON value is an object, not an array or `null`. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Parses a JSON document. Its objects inherit nothing, so a polluted `Object.prototype` adds no members.
 *
 * @returns `undefined` when the bytes are not JSON
 */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    // Nesting that exhausts the stack throws too, and is caught here.
    return valueWithoutPrototypes(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** A copy of a value through JSON, whose objects inherit nothing; `undefined` when JSON cannot express the value. */
export function copyOfJson(value: unknown): unknown {
  try {
    return parseJson(Buffer.from(JSON.stringify(value)))
  } catch {
    return undefined
  }
}
