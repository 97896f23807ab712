import { readFileSync } from 'node:fs'
import type { Algorithm } from '@telnyx-auth/core'

/** Signatures under one key, from a file of Wycheproof. `wycheproof.jsonl` says which vectors were taken, and from where. */
export interface WycheproofGroup {
  readonly file: string
  readonly algorithm: Algorithm
  /** DER in base64url. */
  readonly spki: string
  readonly tests: readonly WycheproofTest[]
}

interface WycheproofTest {
  /** The id of the vector in its file. */
  readonly id: number
  readonly about: string
  /** What was signed, in base64url. */
  readonly message: string
  /** In base64url. */
  readonly signature: string
  /** Whether JOSE accepts the signature under this algorithm. */
  readonly accepts: boolean
}

export function readWycheproof(): readonly WycheproofGroup[] {
  const text = readFileSync(new URL('wycheproof.jsonl', import.meta.url), 'utf8')
  const [, ...groups] = text.trim().split('\n')
  return groups.map((line) => JSON.parse(line))
}
