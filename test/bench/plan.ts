/** How much is measured. */
export interface Plan {
  readonly quick: boolean
  /** Rounds of what is measured within one process. */
  readonly rounds: number
  /** Rounds of what takes several processes. */
  readonly serverRounds: number
  /** Requests to each server in a round, with tokens of each kind. */
  readonly requests: number
  /** How long a target is run in a round, at least. */
  readonly sampleMs: number
  /** How many calls of a quick function are measured as one. */
  readonly batch: number
}

export const FULL: Plan = {
  quick: false,
  rounds: 9,
  serverRounds: 9,
  requests: 2500,
  sampleMs: 120,
  batch: 128,
}

/** Shows that everything runs. Only the servers are measured as in a full run, with fewer requests. */
export const QUICK: Plan = {
  quick: true,
  rounds: 1,
  serverRounds: 7,
  requests: 1000,
  sampleMs: 5,
  batch: 16,
}
