import { EXIT } from '../exit-codes.js'

/**
 * What the doctor says about one thing:
 *
 * - `good`: as it should be.
 * - `note`: it works, and is worth a look.
 * - `wrong`: it does not work, or will not; there is a repair.
 * - `undecided`: what had to be asked did not answer.
 * - `skipped`: not examined. The message says why.
 */
export type FindingOutcome = 'good' | 'note' | 'wrong' | 'undecided' | 'skipped'

/** One finding. `id` is stable, `message` and `repair` are for people. */
export interface Finding {
  readonly id: FindingId
  readonly outcome: FindingOutcome
  readonly message: string
  readonly repair?: string
}

export type FindingId =
  | 'tls'
  | 'discovery'
  | 'issuer-match'
  | 'metadata'
  | 'keys'
  | 'key'
  | 'cache-control'
  | 'clock'
  | 'introspection'
  | 'latency'
  | 'resource-metadata'
  | 'resource-issuer'
  | 'resource-challenge'
  | 'resource-authorization'
  | 'resource-clock'

/** What all findings say together. */
export type DoctorOutcome = 'good' | 'wrong' | 'undecided'

export function outcomeOf(findings: readonly Finding[]): DoctorOutcome {
  const has = (outcome: FindingOutcome) => findings.some((finding) => finding.outcome === outcome)
  return has('wrong') ? 'wrong' : has('undecided') ? 'undecided' : 'good'
}

export const EXIT_CODES: Readonly<Record<DoctorOutcome, number>> = {
  good: EXIT.good,
  wrong: EXIT.wrong,
  undecided: EXIT.undecided,
}

export function good(id: FindingId, message: string): Finding {
  return { id, outcome: 'good', message }
}

export function note(id: FindingId, message: string, repair: string): Finding {
  return { id, outcome: 'note', message, repair }
}

export function wrong(id: FindingId, message: string, repair: string): Finding {
  return { id, outcome: 'wrong', message, repair }
}

export function undecided(id: FindingId, message: string, repair: string): Finding {
  return { id, outcome: 'undecided', message, repair }
}

export function skipped(id: FindingId, message: string): Finding {
  return { id, outcome: 'skipped', message }
}
