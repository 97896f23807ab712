import { ownMembers } from '../base/own-members.js'
import { NQCHARS } from '../base/syntax.js'
import { ConfigurationError } from './errors.js'

/** What is needed to tell somebody clearly what is wrong with their configuration. */

/**
 * Checks that `value` is a plain object with none but the `known` members, and copies these.
 *
 * @param what what a member is called
 * @param isFurther whether a name that is not known is to be let through
 * @throws {ConfigurationError} that suggests the name that was probably meant
 */
export function checkNames(
  value: unknown,
  known: readonly string[],
  what: string,
  isFurther: (name: string) => boolean = () => false,
): Record<string, unknown> {
  if (!isPlainObject(value))
    throw new ConfigurationError(`The ${what}s must be a plain object, not ${describe(value)}`)
  // What is inherited was put on `Object.prototype` by another part of the program, and is not meant for this.
  const hidden = known.find(
    (name) => Object.hasOwn(value, name) && !Object.prototype.propertyIsEnumerable.call(value, name),
  )
  if (hidden !== undefined)
    throw new ConfigurationError(`The ${what} "${hidden}" is hidden, and would be overlooked`)
  for (const name of Object.keys(value)) {
    if (known.includes(name) || isFurther(name)) continue
    const meant = closest(name, known)
    throw new ConfigurationError(
      meant
        ? `There is no ${what} "${name}"; did you mean "${meant}"?`
        : `There is no ${what} "${name}"; there are ${known.map((each) => `"${each}"`).join(', ')}`,
    )
  }
  return ownMembers(value)
}

/**
 * Checks that `value` is an array of texts that can stand in a list with spaces between them, and copies it.
 *
 * @param each what one of them is called
 * @throws {ConfigurationError}
 */
export function checkWords(value: unknown, option: string, each: string): readonly string[] {
  if (!Array.isArray(value))
    throw new ConfigurationError(`Option "${option}" must be an array of ${each}s, not ${describe(value)}`)
  return Array.from(value, (word: unknown) => {
    if (typeof word !== 'string' || !NQCHARS.test(word))
      throw new ConfigurationError(
        `Option "${option}" must hold single ${each}s (RFC 6749 appendix A: printable ASCII without spaces, quotes and backslashes), not ${describe(word)}`,
      )
    return word
  })
}

/** Whether all that an object has is its own: what it inherits, and what a `Map` holds, would be overlooked. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // `Object.prototype`, of another realm as well: nobody else has this method of its own.
  return prototype === null || Object.hasOwn(prototype ?? {}, 'isPrototypeOf')
}

/** What kind of thing a value is, in words. Never a text: it may be a secret in the wrong place. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array'
  if (value === '') return 'an empty string'
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  return isPlainObject(value) ? 'an object' : 'an instance of a class'
}

/** The name that `name` is probably a misspelling of. */
export function closest(name: string, known: readonly string[]): string | undefined {
  const distances = known.map((each) => ({
    each,
    distance: distance(name.toLowerCase(), each.toLowerCase()),
  }))
  const [best] = distances.sort((a, b) => a.distance - b.distance)
  return best && best.distance <= Math.max(2, best.each.length / 3) ? best.each : undefined
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
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

/**
 * A number within a range.
 *
 * @throws {ConfigurationError}
 */
export function resolveNumber(
  options: Record<string, unknown>,
  name: string,
  range: { default: number; min: number; max: number },
): number {
  const value = options[name]
  if (value === undefined) return range.default
  if (typeof value === 'number' && value >= range.min && value <= range.max) return value
  throw new ConfigurationError(
    `Option "${name}" must be a number from ${range.min} to ${range.max}, not ${describe(value)}`,
  )
}
