const UNITS = [
  ['second', 60],
  ['minute', 60],
  ['hour', 24],
  ['day', Number.POSITIVE_INFINITY],
] as const

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always' })

/**
 * A time of a token in words, as a date and as seen from now.
 *
 * @param seconds since the epoch (RFC 7519 §2, NumericDate)
 * @param now in the same unit
 * @returns a question for what is probably in milliseconds; `undefined` for what is no time between the years 0 and 9999
 * @example
 * describeTime(1796036880, now) // '2026-11-30 09:48:00 UTC, in 4 minutes'
 */
export function describeTime(seconds: unknown, now: number): string | undefined {
  // As milliseconds, a time between the years 2001 and 2286.
  if (typeof seconds === 'number' && seconds >= 1e12 && seconds < 1e13)
    return 'milliseconds? A time must be in seconds'
  if (typeof seconds !== 'number' || !(Math.abs(seconds) < 250_000_000_000)) return undefined
  const date = new Date(1000 * seconds)
  const written = date.toISOString()
  if (!/^\d{4}-/.test(written)) return undefined
  return `${written.slice(0, 19).replace('T', ' ')} UTC, ${describeDistance(seconds - now)}`
}

/**
 * A distance in time in words.
 *
 * @param round towards zero by default: a token that expires in 119 seconds expires "in 1 minute"
 */
export function describeDistance(seconds: number, round: (amount: number) => number = Math.trunc): string {
  let amount = seconds
  for (const [unit, size] of UNITS) {
    const rounded = round(amount)
    if (rounded === 0) return 'now'
    if (Math.abs(rounded) < size) return relative.format(rounded, unit)
    amount /= size
  }
  throw new RangeError('A distance in time must be a finite number')
}
