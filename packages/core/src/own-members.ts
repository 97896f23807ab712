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
 * What all parsed objects inherit from: nothing that has a name. A prototype of `null` would do the same, but V8 then makes each
 * object a hash table, or gives each a shape of its own: twice the memory, and three times the time to freeze and read it.
 */
class ParsedObject {
  [name: string]: unknown
}
Object.setPrototypeOf(ParsedObject.prototype, null)
Reflect.deleteProperty(ParsedObject.prototype, 'constructor')
// `util.inspect` then shows a plain object.
Object.defineProperty(ParsedObject.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: object) {
    return { ...this }
  },
})
Object.freeze(ParsedObject.prototype)

/** Copies an object of `JSON.parse`, so that it and all objects in it inherit nothing. Its depth must be bounded. */
export function withoutPrototypes(value: object): Record<string, unknown> {
  const copy = new ParsedObject()
  for (const [name, child] of Object.entries(value)) copy[name] = copyOfValue(child)
  return copy
}

function copyOfValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Array.isArray(value) ? value.map(copyOfValue) : withoutPrototypes(value)
}
