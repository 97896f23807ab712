/** The exit codes of the command. They are public, for scripts and CI. */
export const EXIT = {
  good: 0,
  /** The token is refused, or a finding is wrong. */
  wrong: 1,
  /** The command was called in a wrong way. */
  usage: 2,
  /** What had to be asked gave no answer to decide by. */
  undecided: 3,
} as const
