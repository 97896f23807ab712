/**
 * Records without inheritance. When a program's `Object.prototype` was polluted, what a document or an option leaves out would
 * be found there, and decided upon.
 */

/** The own members of objects, the later ones first: in a record that inherits nothing. */
export function ownMembers(...sources: readonly unknown[]): Record<string, unknown> {
  return Object.assign(Object.create(null), ...sources)
}

/** A copy of an object that inherits nothing, for reading members that may be left out. */
export function withoutInheritance<T extends object>(object: T): T {
  return Object.assign(Object.create(null), object)
}

/** With more members, V8 would make a copy that is filled one by one a hash table. */
export const MAX_COPIED_MEMBERS = 16

/**
 * Makes an object of `JSON.parse`, and all objects in it, inherit nothing. Its depth must be bounded. A small one is copied into
 * an object whose prototype was removed before: these share their shape. One whose prototype is removed later has a shape of its
 * own, and one of `Object.create(null)` is a hash table, which takes three times the memory.
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

/** The same for any value of JSON. */
export function valueWithoutPrototypes(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? copyOfChild(value) : value
}

/**
 * Whether an object has a member only because `Object.prototype` was polluted with it. For objects that may have it by their class.
 */
export function isPollution(object: object, name: string): boolean {
  // Hardly ever, so this is all that a request costs.
  if (!(name in Object.prototype)) return false
  for (
    let each: object | null = object;
    each && each !== Object.prototype;
    each = Object.getPrototypeOf(each)
  )
    if (Object.hasOwn(each, name)) return false
  return true
}
