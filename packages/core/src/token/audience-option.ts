import { describe } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'

/** The name of the environment variable that fills in the option `audience`. */
const VARIABLE = 'TELNYX_AUTH_AUDIENCE'

/** How JSON begins: an identifier may be a GUID in braces. */
const JSON_TEXT = /^\[|^\{\s*["'}]/
/** How a list goes on after a comma or a blank. Either may stand in an identifier (RFC 7519 §2, RFC 8141 §2). */
const NEXT_URI = '(?:[a-z][a-z\\d+.-]*://|urn:)'
const [LIST_WITH_COMMAS, LIST_WITH_BLANKS] = [
  new RegExp(`,\\s*${NEXT_URI}`, 'i'),
  new RegExp(`\\s${NEXT_URI}`, 'i'),
]

/**
 * The identifiers of this API; `null` when the audience is not checked.
 *
 * @param variable the value of the environment variable `TELNYX_AUTH_AUDIENCE`
 * @throws {ConfigurationError} when it is missing, of the wrong type, or written so that it can match no token
 */
export function resolveAudience(option: unknown, variable: string | undefined): ReadonlySet<string> | null {
  if (option === null) return null
  if (option === undefined) {
    const list = variable?.trim() ?? ''
    if (JSON_TEXT.test(list))
      throw new ConfigurationError(
        `Environment variable ${VARIABLE} must be a list with commas between its entries, not JSON`,
      )
    const identifiers = list.split(',').flatMap((each) => each.trim() || [])
    if (identifiers.length === 0)
      throw new ConfigurationError(
        `No audience is configured: set the option "audience" or the environment variable ${VARIABLE} to the identifier of this API, such as "https://api.example.com", or set "audience" to null to accept tokens that were issued for other APIs`,
      )
    return new Set(identifiers.map((each) => checkSpelling(each, `Environment variable ${VARIABLE}`)))
  }
  const audience: readonly unknown[] = Array.isArray(option) ? option : [option]
  const identifiers = audience.filter(isIdentifier)
  if (identifiers.length === 0 || identifiers.length < audience.length)
    throw new ConfigurationError(
      `Option "audience" must be a non-empty string, an array of at least one of them, or null, not ${describe(option)}${audience.length > 0 && Array.isArray(option) ? ' with something else in it' : ''}`,
    )
  return new Set(identifiers.map((each) => checkSpelling(each, 'Option "audience"')))
}

/** Refuses what is written so that no token can name it: that would look like a fault of every caller. */
function checkSpelling(identifier: string, source: string): string {
  if (/^["'`]|["'`]$/.test(identifier))
    throw new ConfigurationError(
      `${source} has quotes around its value: remove them (some tools that read .env files keep them)`,
    )
  if (JSON_TEXT.test(identifier))
    throw new ConfigurationError(`${source} must be a string or an array of strings, not JSON in a string`)
  if (LIST_WITH_COMMAS.test(identifier))
    throw new ConfigurationError(
      `${source} holds a list with commas in one string: give an array with one string for each identifier`,
    )
  // A blank within is possible, anything else is left over from a file or a terminal.
  if (/^\s|[^\S ]|\s$/.test(identifier) || LIST_WITH_BLANKS.test(identifier))
    throw new ConfigurationError(
      `${source} must hold identifiers without white space around them, each by itself`,
    )
  return identifier
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
