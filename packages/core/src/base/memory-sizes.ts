import { MAX_COPIED_MEMBERS } from './own-members.js'

/**
 * What parts of a value take, in bytes: no less than V8 needs on a 64-bit machine, measured for frozen values
 * (test/core/cache-memory.test.ts).
 */
const SLOT_BYTES = 8
const TEXT_BYTES = 32
/** A number that is no small integer is boxed when its array or object is frozen. */
const BOXED_NUMBER_BYTES = 16
const ARRAY_BYTES = 80
const OBJECT_BYTES = 96
/** A shape: for each name, a step of the way to it, and its place in two lists. */
const SHAPE_BYTES = 200
const NAME_BYTES = 200
/** An object that shares its shape with no other: for each name, its place in a list of its own, or in a hash table. */
const OWN_NAME_BYTES = 64

/** Longer lists of names are not remembered. */
const MAX_SHAPE_LENGTH = 512

/**
 * How much memory values of JSON take that `withoutPrototypes` returned and that are frozen. Objects with the same names in the
 * same order share a shape, which takes more than they do: the first shapes are paid for once, all others by each object.
 */
export class MemorySizes {
  readonly #shapes = new Set<string>()
  #roomForShapes: number

  /** @param roomForShapes how many bytes the shapes that are paid for once may take together */
  constructor(roomForShapes: number) {
    this.#roomForShapes = roomForShapes
  }

  /** How many bytes a value takes, at the most. */
  of(value: unknown): number {
    if (typeof value === 'string') return SLOT_BYTES + sizeOfText(value)
    if (typeof value === 'number') return SLOT_BYTES + ((value | 0) === value ? 0 : BOXED_NUMBER_BYTES)
    if (typeof value !== 'object' || value === null) return SLOT_BYTES
    let bytes = SLOT_BYTES
    if (Array.isArray(value)) {
      bytes += ARRAY_BYTES
      for (const child of value) bytes += this.of(child)
      return bytes
    }
    const names = Object.keys(value)
    bytes += OBJECT_BYTES + this.#sizeOfShape(names)
    for (const child of Object.values(value)) bytes += this.of(child)
    return bytes
  }

  #sizeOfShape(names: readonly string[]): number {
    const isShared = names.length <= MAX_COPIED_MEMBERS
    const own = isShared ? 0 : SHAPE_BYTES + names.length * OWN_NAME_BYTES
    const shape = names.join('\0')
    if (this.#shapes.has(shape)) return own
    let shared = isShared ? SHAPE_BYTES + names.length * NAME_BYTES : 0
    for (const name of names) shared += sizeOfText(name)
    const remembered = shared + SHAPE_BYTES + sizeOfText(shape)
    if (shape.length > MAX_SHAPE_LENGTH || remembered > this.#roomForShapes) return own + shared
    this.#roomForShapes -= remembered
    this.#shapes.add(shape)
    return own
  }
}

/** One character that is not ASCII can make all of them take two bytes. */
function sizeOfText(text: string): number {
  const isAscii = Buffer.byteLength(text) === text.length
  return TEXT_BYTES + (isAscii ? text.length : 2 * text.length)
}
