/**
 * Copies into a record that inherits nothing. Members that an option or a document leaves out would otherwise be read from
 * `Object.prototype`, which another part of the program may have polluted.
 *
 * @returns the own enumerable members of the sources; of two members with the same name, the last
 * @example
 * const { scopes } = ownMembers(policy) // never a member of Object.prototype
 */
export function ownMembers<T extends object>(source: T): T
export function ownMembers(...sources: readonly unknown[]): Record<string, unknown>
export function ownMembers(...sources: readonly unknown[]): unknown {
  return Object.assign(Object.create(null), ...sources)
}

/** One own member, without a copy of the others. `null`, which plain JavaScript can pass, has none. */
export function ownMember<T extends object, Name extends keyof T>(
  source: T | null,
  name: Name,
): T[Name] | undefined {
  return source !== null && Object.hasOwn(source, name) ? source[name] : undefined
}

/** With more members, V8 turns a copy without prototype into a hash table. */
export const MAX_COPIED_MEMBERS = 16

/**
 * Removes the prototypes of an object from `JSON.parse`, and of all objects in it. The caller must have limited its depth. A small
 * object is copied into one whose prototype was removed first, because such objects share their shape. An object whose prototype
 * is removed later has a shape for itself, and one from `Object.create(null)` is a hash table, which takes three times the memory.
 */
export function withoutPrototypes(value: Record<string, unknown>): Record<string, unknown> {
  const names = Object.keys(value)
  for (const name of names) {
    const child = value[name]
    if (typeof child === 'object' && child !== null) value[name] = copyOfChild(child)
  }
  return names.length <= MAX_COPIED_MEMBERS
    ? Object.assign(Object.setPrototypeOf({}, null), value)
    : Object.setPrototypeOf(value, null)
}

function copyOfChild(value: object): unknown {
  if (Array.isArray(value)) return value.map(valueWithoutPrototypes)
  const record: Record<string, unknown> = Object(value)
  return withoutPrototypes(record)
}

/** The same for any JSON value. */
export function valueWithoutPrototypes(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? copyOfChild(value) : value
}

/**
 * Whether an object has a member only because `Object.prototype` was polluted with it. For objects that may have the member from
 * their class.
 */
export function isPollution(object: object, name: string): boolean {
  // True for nearly all names: the loop below is for polluted ones only.
  if (!(name in Object.prototype)) return false
  for (
    let each: object | null = object;
    each && each !== Object.prototype;
    each = Object.getPrototypeOf(each)
  )
    if (Object.hasOwn(each, name)) return false
  return true
}
