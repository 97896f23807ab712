import { describe } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'

/** The environment variable for the option `audience`. */
const VARIABLE = 'TELNYX_AUTH_AUDIENCE'

/** The beginning of JSON. Not every brace is one: an identifier may be a GUID in braces. */
const JSON_TEXT = /^\[|^\{\s*["'}]/
/** The next entry of a list. A comma or space before it is a separator; others may be part of an identifier (RFC 7519 §2). */
const NEXT_URI = '(?:[a-z][a-z\\d+.-]*://|urn:)'
const [LIST_WITH_COMMAS, LIST_WITH_BLANKS] = [
  new RegExp(`,\\s*${NEXT_URI}`, 'i'),
  new RegExp(`\\s${NEXT_URI}`, 'i'),
]

/**
 * Checks the option `audience`; without it, the environment variable applies.
 *
 * @param variable the value of `TELNYX_AUTH_AUDIENCE`
 * @returns the identifiers of this API, or `null` when the audience is not checked
 * @throws {ConfigurationError} when the audience is missing, of the wrong type, or in a form that no token can have
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

/** Refuses an audience that no token can have. With it, every caller would get a 401. */
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
  // A space inside is possible. Other white space comes from a file or a terminal.
  if (/^\s|[^\S ]|\s$/.test(identifier) || LIST_WITH_BLANKS.test(identifier))
    throw new ConfigurationError(
      `${source} must hold identifiers without white space around them, each by itself`,
    )
  return identifier
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
