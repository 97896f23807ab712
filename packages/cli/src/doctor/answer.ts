import { type Finding, type FindingId, undecided, wrong } from './finding.js'
import type { Answer } from './probe.js'
import { tlsRepairOf } from './tls.js'

export const SEE_LOG =
  'Examine the issuer from the machine of the API, and start the API with NODE_DEBUG=telnyx-auth.'

/** A URL inside the network is none that clients use, so the names of a good API differ from it. */
export const FROM_INSIDE = 'If you look from inside, past the proxy, ignore this.'

/** No answer, or one that may be another in a minute. */
export function isUndecided({ exchange }: Answer): boolean {
  return exchange === undefined || exchange.status >= 500 || exchange.status === 429
}

/** An answer of the user's own API in words. */
export function describeAnswer(answer: Answer): string {
  return answer.exchange ? `status ${answer.exchange.status}` : answer.failure
}

/** The `code` of a refusal of this library; `undefined` where the answer is from another program. */
export function refusalCodeOf(answer: Answer): string | undefined {
  const { code }: { code?: unknown } = Object(answer.exchange && answer.body)
  return typeof code === 'string' && /^ERR_[A-Z_]+$/.test(code) ? code : undefined
}

/** The finding where there is no answer, or one that may be another in a minute. A fault of TLS needs a repair. */
export function unanswered(id: FindingId, message: string, answer: Answer): Finding {
  const isFault = !answer.exchange && tlsRepairOf(answer.failure) !== undefined
  return isFault ? wrong(id, message, repairOf(answer)) : undecided(id, message, repairOf(answer))
}

/** What to do about an answer that decides nothing. */
function repairOf(answer: Answer): string {
  if (!answer.exchange)
    return (
      tlsRepairOf(answer.failure) ??
      'The API did not answer: is it running, are host and port right, and does no firewall stop the request?'
    )
  // This library answers 503, so another program answered.
  return [502, 504].includes(answer.exchange.status)
    ? 'The proxy does not reach the API: is it running, and has the proxy its address and port right?'
    : SEE_LOG
}
