import { describeDistance } from '../terminal/times.js'
import { type Finding, good, skipped, wrong } from './finding.js'
import type { Exchange } from './probe.js'

/** The default of `clockToleranceSeconds`. */
const TOLERANCE_SECONDS = 5

/**
 * Compares the clock of this machine with the `Date` of responses (RFC 9110 §6.6.1). That has whole seconds, and was written
 * some time between request and response, so each response gives a range. The narrowest one decides.
 */
export function examineClock(exchanges: readonly Exchange[]): Finding {
  const [best] = exchanges.flatMap(rangeOf).sort((a, b) => a.max - a.min - (b.max - b.min))
  if (!best) return skipped('clock', 'No response has a Date of its own to compare with.')
  const ahead = best.min > TOLERANCE_SECONDS
  if (!ahead && best.max >= -TOLERANCE_SECONDS)
    return good(
      'clock',
      `The clocks of this machine and the issuer differ by less than ${TOLERANCE_SECONDS} seconds.`,
    )
  const [distance] = /\d.*?(?= ago|$)/.exec(describeDistance((best.min + best.max) / 2, Math.round)) ?? ['']
  return wrong(
    'clock',
    `The clock of this machine is ${distance} ${ahead ? 'ahead of' : 'behind'} that of the issuer.`,
    'Synchronise the clocks (NTP): good tokens are refused as expired, or as issued in the future.',
  )
}

/** By how many seconds this machine is ahead, at least and at most. */
function rangeOf({ headers, startedAt, durationMs }: Exchange): readonly { min: number; max: number }[] {
  const date = Date.parse(headers.get('date') ?? '')
  // A cache in between answers with the `Date` of the origin, from before (RFC 9111 §5.1).
  if (Number.isNaN(date) || headers.get('age') !== null) return []
  const [start, end] = [startedAt / 1000, (startedAt + durationMs) / 1000]
  return [{ min: start - (date / 1000 + 1), max: end - date / 1000 }]
}
