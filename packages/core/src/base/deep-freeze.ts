/** Freezes a value of JSON all the way down. Its depth is bounded by what made it. */
export function deepFreeze<T extends object>(value: T): T {
  Object.freeze(value)
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) deepFreeze(child)
  return value
}
