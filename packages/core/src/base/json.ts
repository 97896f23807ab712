import { isUtf8 } from 'node:buffer'
import { valueWithoutPrototypes, withoutPrototypes } from './own-members.js'

/** No document nests deeper; a limit keeps every later walk over its values from exhausting the stack. */
const MAX_DEPTH = 64

/** Why a text is not an acceptable JSON object. */
export type JsonObjectFault = 'not-utf8' | 'too-deep' | 'not-json' | 'not-an-object' | 'repeated-member'

/**
 * Parses a JSON object in UTF-8 in which no member name is repeated (RFC 7519 §4, RFC 8725 §2.4).
 *
 * @returns the object, which inherits nothing, or what is wrong with it; never the parser's own error, which quotes the text
 */
export function parseJsonObject(bytes: Buffer): Record<string, unknown> | JsonObjectFault {
  if (!isUtf8(bytes)) return 'not-utf8'
  const { depth, members } = measure(bytes)
  if (depth > MAX_DEPTH) return 'too-deep'
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch {
    return 'not-json'
  }
  if (!isJsonObject(value)) return 'not-an-object'
  // A parser keeps one of several members of the same name, and parsers differ in which: what one program
  // checks, the next one does not see. Fewer members in the value than in the text means that one was lost.
  return countMembers(value) === members ? withoutPrototypes(value) : 'repeated-member'
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

/** Whether a value of JSON is an object, and not an array or `null`. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Parses a JSON document. Its objects have no prototype: what a host program puts on `Object.prototype` is no member.
 *
 * @returns `undefined` when the bytes are not JSON
 */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    // One that is nested too deep for the stack is caught here too.
    return valueWithoutPrototypes(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** A copy of a value as JSON has it, whose objects have no prototype; `undefined` when JSON cannot express the value. */
export function copyOfJson(value: unknown): unknown {
  try {
    return parseJson(Buffer.from(JSON.stringify(value)))
  } catch {
    return undefined
  }
}
