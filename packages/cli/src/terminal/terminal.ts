import type { FetchFunction } from '@telnyx-auth/core'

/** Where the command writes. */
export interface Output {
  /** Writes a text. */
  write(text: string): unknown
  /** Whether it is a terminal, which shows colours. */
  readonly isTTY?: boolean
}

/** What surrounds the command: its streams and the environment. Tests have their own. */
export interface Terminal {
  /** Where the command reads a token. */
  readonly stdin: AsyncIterable<Uint8Array | string>
  /** Where results are written. */
  readonly stdout: Output
  /** Where errors are written. */
  readonly stderr: Output
  /**
   * Where `TELNYX_AUTH_TOKEN`, `NO_COLOR` and the credentials are looked up. The options of the verifier are read from
   * `process.env`.
   */
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * The `fetch` implementation for every request.
   *
   * @default the global `fetch`
   */
  readonly fetch?: FetchFunction
}

/** Colours of text, as numbers of SGR (ECMA-48 §8.3.117). */
const COLOURS = { green: 32, yellow: 33, red: 31, grey: 90 } as const

export type Colour = keyof typeof COLOURS

/** Colours a text, where the terminal shows colours and `NO_COLOR` (https://no-color.org) and `FORCE_COLOR=0` are not set. */
export type Paint = (colour: Colour, text: string) => string

export function createPaint({ stdout, env }: Terminal): Paint {
  const isColoured = stdout.isTTY === true && !env.NO_COLOR && env.FORCE_COLOR !== '0' && env.TERM !== 'dumb'
  return (colour, text) => (isColoured ? `\u001b[${COLOURS[colour]}m${text}\u001b[39m` : text)
}
