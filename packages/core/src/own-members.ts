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
