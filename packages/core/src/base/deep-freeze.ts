/** Freezes a JSON value at every depth. The parser has limited the depth. */
export function deepFreeze<T extends object>(value: T): T {
  Object.freeze(value)
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) deepFreeze(child)
  return value
}
