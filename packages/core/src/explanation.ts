import type { ErrorCode } from './errors/error-codes.js'
import type { Reason } from './errors/reasons.js'

/** Options of `Verifier.explain`. */
export interface ExplainOptions {
  /**
   * Whether the token may be sent to the issuer, where the verifier would introspect it (RFC 7662).
   *
   * @default false
   */
  readonly introspect?: boolean | undefined
}

/** Why a check did not pass, or why the verifier refuses the token. Safe to log: holds no part of the token. */
export interface CheckFailure {
  /** The code of the error. */
  readonly code?: ErrorCode
  /** The name of the claim that is at fault, where it is one. */
  readonly claim?: string
  /** The exact check that failed, a stable short word. */
  readonly reason?: Reason
  /** What the operator can do about it, one fixed sentence. */
  readonly hint?: string
}

/** One check of the verifier, and what came of it. */
export interface TokenCheck extends CheckFailure {
  /** The name of the check, stable across releases. */
  readonly id: CheckId
  /** The rule that the check enforces: its id in the repository's list of rules, `conformance.md`. */
  readonly rule: string
  /**
   * `'failed'`: the verifier refuses the token. `'undecided'`: the issuer could not be asked, or was not. `'skipped'`: the check
   * could not be made, because it needs what an earlier one found missing or wrong, or because the issuer decides instead.
   */
  readonly outcome: 'passed' | 'failed' | 'undecided' | 'skipped'
}

/** What the verifier decides about a token, and how each of its checks ends. Plain data, without the token and its signature. */
export interface Explanation extends CheckFailure {
  /** `'undecided'`: the issuer could not be asked, or would be asked and `introspect` is not set. */
  readonly outcome: 'accepted' | 'refused' | 'undecided'
  /** The checks that the verifier makes of such a token, in its order. The verifier stops at the first one that fails. */
  readonly checks: readonly TokenCheck[]
  /** The header of the token, unverified: anyone may have written it. Absent where it cannot be read. */
  readonly header?: Readonly<Record<string, unknown>>
  /** The claims of the token, unverified too: to read, not to decide by. Absent where they cannot be read. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** The name of a check. Names are stable, so programs can look for them. */
export type CheckId =
  | 'size'
  | 'form'
  | 'algorithm'
  | 'critical-header'
  | 'type'
  | 'key-id'
  | 'issuer'
  | 'audience'
  | 'required-claims'
  | 'claim-types'
  | 'confirmation'
  | 'expiry'
  | 'not-before'
  | 'issued-at'
  | 'key'
  | 'signature'
  | 'sender'
  | 'introspection'
  | 'binding'
  | 'authentication'
  | 'scopes'
  | 'validate'
