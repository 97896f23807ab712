import { ownMembers } from '../base/own-members.js'
import { NQCHARS } from '../base/syntax.js'
import { ConfigurationError } from './errors.js'
import { NAMES_ELSEWHERE } from './names-elsewhere.js'

/**
 * The parts that all checks of options share. A message names the option and the kind of value, never the value, which may be
 * a secret in the wrong place.
 */

/**
 * Checks one option.
 *
 * @param value what was given; `undefined` where nothing was
 * @param name the name of the option, for the message
 * @returns the value, or the default for `undefined`
 * @throws {ConfigurationError}
 */
export type OptionCheck<T> = (value: unknown, name: string) => T

/** One check for each option of a group: a table that the compiler compares with the type of the results. */
export type OptionChecks<Resolved> = { readonly [Name in keyof Resolved]-?: OptionCheck<Resolved[Name]> }

/** Options by name. */
export type Given = Readonly<Record<string, unknown>>

interface Range {
  readonly default: number
  readonly min: number
  readonly max: number
}

/** A number in a range, both ends included. */
export function numberIn(range: Range): OptionCheck<number> {
  return (value, name) => {
    if (value === undefined) return range.default
    if (typeof value === 'number' && value >= range.min && value <= range.max) return value
    throw wrongKind(name, `a number from ${range.min} to ${range.max}`, value)
  }
}

/** A number in a range, rounded down. */
export function wholeNumberIn(range: Range): OptionCheck<number> {
  return (value, name) => Math.floor(numberIn(range)(value, name))
}

/** One of two words; the first is the default. */
export function oneOf<T extends string>(first: T, second: T): OptionCheck<T> {
  return (value, name) => {
    if (value === undefined || value === first) return first
    if (value === second) return second
    throw wrongKind(name, `"${first}" or "${second}"`, value)
  }
}

/** A function, or nothing. What it takes and returns shows only when it is called. */
export function optionalFunction<T>(value: unknown, name: string): T | undefined {
  if (value === undefined || isFunction<T>(value)) return value
  throw wrongKind(name, 'a function', value)
}

function isFunction<T>(value: unknown): value is T {
  return typeof value === 'function'
}

/**
 * Applies a table of checks.
 *
 * @param given options whose names were checked
 * @returns the results, in a record that inherits nothing
 * @throws {ConfigurationError}
 */
export function applyChecks<Resolved>(checks: OptionChecks<Resolved>, given: Given): Resolved {
  const resolved = Object.create(null)
  for (const [name, check] of Object.entries<OptionCheck<unknown>>(checks))
    resolved[name] = check(given[name], name)
  return resolved
}

/** An option that is an object itself. Without it, each of its members has its default. */
export function objectWith<Resolved>(checks: OptionChecks<Resolved>): OptionCheck<Resolved> {
  const known = Object.keys(checks)
  return (value, name) =>
    applyChecks(checks, checkNames(value === undefined ? {} : value, known, `member of "${name}"`))
}

/**
 * The error for an option with a value of the wrong kind.
 *
 * @param flaw what is said of a string, where its kind alone does not tell what is wrong
 */
export function wrongKind(name: string, expected: string, value: unknown, flaw?: string): ConfigurationError {
  const found = typeof value === 'string' && flaw !== undefined ? flaw : `not ${describe(value)}`
  return new ConfigurationError(`Option "${name}" must be ${expected}, ${found}`)
}

/**
 * Checks that a value is a plain object with known members only.
 *
 * @param what what a member is called in messages
 * @param isFurther whether a name that is not in `known` is allowed too
 * @returns a copy that inherits nothing
 * @throws {ConfigurationError} with the name that was probably meant, or that another package's option has here
 *
 * @example
 * checkNames({ audiance: 'x' }, ['issuer', 'audience'], 'option')
 * // There is no option "audiance"; did you mean "audience"?
 */
export function checkNames(
  value: unknown,
  known: readonly string[],
  what: string,
  isFurther: (name: string) => boolean = () => false,
): Record<string, unknown> {
  if (!isPlainObject(value))
    throw new ConfigurationError(`The ${what}s must be a plain object, not ${describe(value)}`)
  // The copy has own enumerable members only. A known name that is not enumerable would be ignored silently.
  const hidden = known.find(
    (name) => Object.hasOwn(value, name) && !Object.prototype.propertyIsEnumerable.call(value, name),
  )
  if (hidden !== undefined)
    throw new ConfigurationError(`The ${what} "${hidden}" is hidden (not enumerable), and would be ignored`)
  for (const name of Object.keys(value)) {
    if (known.includes(name) || isFurther(name)) continue
    const here = NAMES_ELSEWHERE.get(name)
    if (here !== undefined && known.includes(nameIn(here)))
      throw new ConfigurationError(`There is no ${what} "${name}": it is ${here} here`)
    const meant = closest(name, known)
    throw new ConfigurationError(
      meant
        ? `There is no ${what} "${name}"; did you mean "${meant}"?`
        : `There is no ${what} "${name}"; there are ${known.map((each) => `"${each}"`).join(', ')}`,
    )
  }
  return ownMembers(value)
}

/** The name of the option at the beginning of `"keys.lifetimeSeconds"`. */
const nameIn = (text: string) => text.match(/\w+/)?.[0] ?? ''

/**
 * Checks that a value is an array of strings that can stand in a space-separated list, such as scopes.
 *
 * @param each what one string is called in messages
 * @returns a copy
 * @throws {ConfigurationError}
 */
export function checkWords(value: unknown, option: string, each: string): readonly string[] {
  if (!Array.isArray(value)) throw wrongKind(option, `an array of ${each}s`, value)
  return Array.from(value, (word: unknown) => {
    if (typeof word !== 'string' || !NQCHARS.test(word))
      throw new ConfigurationError(
        `Option "${option}" must hold single ${each}s (RFC 6749 appendix A: printable ASCII without spaces, quotes and backslashes), not ${describe(word)}`,
      )
    return word
  })
}

/** Whether a value is an object literal, or made without a prototype. Members of a class or a `Map` would be ignored. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Only `Object.prototype` has this method itself, also that of another realm.
  return prototype === null || Object.hasOwn(prototype ?? {}, 'isPrototypeOf')
}

/** The kind of a value, in words. Numbers are shown; strings never, because they may be secrets. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  if (value === '') return 'an empty string'
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  return isPlainObject(value) ? 'an object' : 'an instance of a class'
}

/** The known name that `name` is probably a misspelling of. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const distances = known.map((each) => ({
    each,
    distance: editDistance(name.toLowerCase(), each.toLowerCase()),
  }))
  const [best] = distances.sort((a, b) => a.distance - b.distance)
  return best && best.distance <= Math.max(2, best.each.length / 3) ? best.each : undefined
}

/** Levenshtein's edit distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++)
      current.push(
        Math.min(
          (previous[j] ?? 0) + 1,
          (current[j - 1] ?? 0) + 1,
          (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      )
    previous = current
  }
  return previous[b.length] ?? 0
}
