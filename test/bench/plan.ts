/** How much is measured. */
export interface Plan {
  readonly quick: boolean
  /** Rounds of what is measured within one process. */
  readonly rounds: number
  /** Rounds of what takes several processes. */
  readonly serverRounds: number
  /** How long a target is run in a round, at least. */
  readonly sampleMs: number
  /** How many calls of a quick function are measured as one. */
  readonly batch: number
}

export const FULL: Plan = { quick: false, rounds: 7, serverRounds: 5, sampleMs: 120, batch: 128 }

/** A smoke test: that everything runs, not how fast. */
export const QUICK: Plan = { quick: true, rounds: 1, serverRounds: 1, sampleMs: 5, batch: 16 }
