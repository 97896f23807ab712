import { describeDistance } from '../terminal/times.js'
import { type Finding, type FindingId, good, skipped, wrong } from './finding.js'
import type { Exchange } from './probe.js'

/** The default of `clockToleranceSeconds`. */
const TOLERANCE_SECONDS = 5

const REPAIR = 'Synchronise the clocks (NTP): good tokens are refused as expired, or as issued in the future.'

/** By how many seconds a clock is ahead of another, at least and at most. */
interface Range {
  readonly min: number
  readonly max: number
}

/**
 * Compares the clock of this machine with the `Date` of responses (RFC 9110 §6.6.1). That has whole seconds, and was written
 * some time between request and response, so each response gives a range. The narrowest one decides.
 */
export function examineClock(exchanges: readonly Exchange[]): Finding {
  const ahead = narrowest(exchanges)
  return ahead
    ? describe('clock', 'this machine', ahead, REPAIR)
    : skipped('clock', 'No response has a Date of its own to compare with.')
}

/** Compares the clock of the user's own API with that of the issuer: they decide about tokens, and this machine does not. */
export function examineResourceClock(ofApi: readonly Exchange[], ofIssuer: readonly Exchange[]): Finding {
  const id = 'resource-clock'
  // This machine, ahead of each.
  const [api, issuer] = [narrowest(ofApi), narrowest(ofIssuer)]
  if (!api || !issuer)
    return skipped(id, `No response of the ${api ? 'issuer' : 'API'} has a Date of its own to compare with.`)
  const ahead = { min: issuer.min - api.max, max: issuer.max - api.min }
  return describe(id, 'the API', ahead, `${REPAIR} A proxy may have written the Date of the API.`)
}

function describe(id: FindingId, whose: string, { min, max }: Range, repair: string): Finding {
  const isAhead = min > TOLERANCE_SECONDS
  if (!isAhead && max >= -TOLERANCE_SECONDS)
    return good(id, `The clocks of ${whose} and the issuer differ by less than ${TOLERANCE_SECONDS} seconds.`)
  const [distance] = /\d.*?(?= ago|$)/.exec(describeDistance((min + max) / 2, Math.round)) ?? ['']
  const message = `The clock of ${whose} is ${distance} ${isAhead ? 'ahead of' : 'behind'} that of the issuer.`
  return wrong(id, message, repair)
}

function narrowest(exchanges: readonly Exchange[]): Range | undefined {
  const [best] = exchanges.flatMap(rangeOf).sort((a, b) => a.max - a.min - (b.max - b.min))
  return best
}

/** By how many seconds this machine is ahead. */
function rangeOf({ headers, startedAt, durationMs }: Exchange): readonly Range[] {
  const date = Date.parse(headers.get('date') ?? '')
  // A cache in between answers with the `Date` of the origin, from before (RFC 9111 §5.1).
  if (Number.isNaN(date) || headers.get('age') !== null) return []
  const [start, end] = [startedAt / 1000, (startedAt + durationMs) / 1000]
  return [{ min: start - (date / 1000 + 1), max: end - date / 1000 }]
}
