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

/**
 * Copies an object of `JSON.parse`, so that it and all objects in it inherit nothing. Its depth must be bounded. The prototype is
 * removed before there is a member, and not by `Object.create`: V8 would make each object a hash table or give each a shape of
 * its own, which takes twice the memory.
 */
export function withoutPrototypes(value: object): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.setPrototypeOf({}, null)
  for (const [name, child] of Object.entries(value)) copy[name] = copyOfValue(child)
  return copy
}

function copyOfValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Array.isArray(value) ? value.map(copyOfValue) : withoutPrototypes(value)
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
