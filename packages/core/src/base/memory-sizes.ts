import { MAX_COPIED_MEMBERS } from './own-members.js'

/**
 * Memory of the parts of a value, in bytes: at least what V8 needs on a 64-bit machine, measured with frozen values
 * (test/core/cache-memory.test.ts).
 */
const SLOT_BYTES = 8
const TEXT_BYTES = 32
/** A number that is not a small integer gets a box of its own when its array or object is frozen. */
const BOXED_NUMBER_BYTES = 16
const ARRAY_BYTES = 80
const OBJECT_BYTES = 96
/** A shape (hidden class), and for each of its names a transition and two descriptors. */
const SHAPE_BYTES = 200
const NAME_BYTES = 200
/** For each name of an object that does not share its shape: an entry of a list or of a hash table, and from Node 24 on often a shape. */
const OWN_NAME_BYTES = 128

/** Longer lists of names are not recorded as shapes. */
const MAX_SHAPE_LENGTH = 512

/**
 * Estimates the memory of frozen JSON values from `withoutPrototypes`. Objects with the same names in the same order share a
 * shape, which is larger than the object. The first shapes are counted once; all further shapes with each object.
 */
export class MemorySizes {
  readonly #shapes = new Set<string>()
  #bytesForShapes: number

  /** @param bytesForShapes the most memory for shapes that are counted once, in bytes */
  constructor(bytesForShapes: number) {
    this.#bytesForShapes = bytesForShapes
  }

  /** The most memory that the value takes, in bytes. */
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
    if (shape.length > MAX_SHAPE_LENGTH || remembered > this.#bytesForShapes) return own + shared
    this.#bytesForShapes -= remembered
    this.#shapes.add(shape)
    return own
  }
}

/** One character that is not ASCII can make every character take two bytes. */
function sizeOfText(text: string): number {
  const isAscii = Buffer.byteLength(text) === text.length
  return TEXT_BYTES + (isAscii ? text.length : 2 * text.length)
}
