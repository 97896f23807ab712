import type { Clock } from './base/clock.js'
import type { Awaitable } from './base/maybe-async.js'
import { ownMembers } from './base/own-members.js'
import { InvalidTokenError } from './errors/errors.js'
import type { CheckId } from './explanation.js'
import { asksAsWell, asksInstead } from './issuer/introspection/introspection-decision.js'
import type { TrustedIssuer } from './issuer/trusted-issuer.js'
import type { CompiledPolicy } from './policy/policy.js'
import type { SenderCheck } from './sender/check-sender.js'
import type { Auth } from './token/auth.js'
import {
  checkAudience,
  checkClaimTypes,
  checkIssuer,
  checkRequiredClaims,
  checkTimes,
  isNumericDate,
} from './token/claims.js'
import { checkAlgorithm, checkCriticalParameters, checkKeyId, checkType } from './token/header.js'
import { checkSize, type UnverifiedToken } from './token/parse-token.js'

/** A token, what the verifier has decided about it, and what its checks need. */
export interface Subject {
  readonly token: string
  readonly policy: CompiledPolicy
  readonly sender: SenderCheck
  readonly clock: Clock
  readonly maxTokenBytes: number
  readonly clockToleranceSeconds: number
  /** Whether only its issuer can read the token. */
  readonly isOpaque: boolean
  /** `undefined` where the token is opaque or malformed. */
  readonly parsed: UnverifiedToken | undefined
  /** Why it is malformed. */
  readonly formError: unknown
  /** The issuer whose rules apply. */
  readonly issuer: TrustedIssuer
  /** The newest generation of its keys when the token arrived. */
  readonly generation: number
  /** Whether the issuer may be asked about the token. */
  readonly introspect: boolean
  readonly verdict: Verdict
  /** What the policy judges: made of the claims as they are, also where the token was refused before. */
  readonly auth: Auth | undefined
  /** The checks so far that did not pass. */
  readonly open: Set<CheckId>
  /** Why the signature is wrong, once the key was looked for. */
  signatureError: unknown
  /** Whether the key was not found or could not be loaded, and the verifier asks the issuer instead. */
  asksInstead: boolean
}

/** What the verifier has decided. */
export interface Verdict {
  /** What the policy was asked about; `undefined` where the token was refused before. */
  auth: Auth | undefined
  /** Why the token was refused. */
  error: unknown
}

/** Thrown by a check that neither passed nor failed. */
export class Inconclusive extends Error {
  readonly outcome: 'skipped' | 'undecided'
  readonly hint: string | undefined

  constructor(outcome: 'skipped' | 'undecided', hint?: string, cause?: unknown) {
    super(outcome, { cause })
    this.outcome = outcome
    this.hint = hint
  }
}

/** One check of the verifier. */
export interface Check {
  readonly id: CheckId
  /** The id of the rule in `conformance.md`. */
  readonly rule: string
  /** Whether the verifier makes it of such a token, with this policy. */
  readonly applies: (subject: Subject) => boolean
  /** The checks without which it means nothing. */
  readonly needs: readonly CheckId[]
  /** Throws what the verifier throws, or {@link Inconclusive}. */
  readonly run: (subject: Subject) => Awaitable<void>
}

/** The checks in the order of the verifier, each with the function that the verifier calls. */
export const CHECKS: readonly Check[] = [
  {
    id: 'size',
    rule: 'J9',
    applies: ({ token }) => typeof token === 'string',
    needs: [],
    run: ({ token, maxTokenBytes }) => checkSize(token, maxTokenBytes),
  },
  {
    id: 'form',
    rule: 'J9',
    applies: isJwt,
    needs: ['size'],
    run: ({ parsed, formError }) => {
      if (!parsed) throw formError
    },
  },
  ofJwt('algorithm', 'J1', ({ unverifiedHeader }, { rules }) => checkAlgorithm(unverifiedHeader.alg, rules)),
  ofJwt('critical-header', 'J7', ({ unverifiedHeader }) => checkCriticalParameters(unverifiedHeader)),
  ofJwt('type', 'J2', ({ unverifiedHeader }, { rules }) => checkType(unverifiedHeader.typ, rules)),
  ofJwt('key-id', 'J8', ({ unverifiedHeader }) => checkKeyId(unverifiedHeader.kid)),
  ofJwt('issuer', 'J3', ({ unverifiedClaims }, { rules }) => checkIssuer(unverifiedClaims.iss, rules)),
  ofJwt('audience', 'J4', ({ unverifiedClaims }, { rules }) => {
    // That it must be there is for the next check to say.
    if (unverifiedClaims.aud === undefined && rules.audience) throw new Inconclusive('skipped')
    checkAudience(unverifiedClaims, rules)
  }),
  ofJwt('required-claims', 'J6', ({ unverifiedClaims }, { rules }) =>
    checkRequiredClaims(unverifiedClaims, rules),
  ),
  ofJwt('claim-types', 'J6', ({ unverifiedClaims }, { rules }) => checkClaimTypes(unverifiedClaims, rules)),
  ofJwt('confirmation', 'J10', ({ unverifiedClaims }, _, { sender }) =>
    sender.checkConfirmation(unverifiedClaims),
  ),
  ofTime('expiry', 'exp'),
  ofTime('not-before', 'nbf'),
  ofTime('issued-at', 'iat'),
  {
    id: 'key',
    rule: 'J11',
    applies: isJwt,
    needs: ['form', 'algorithm', 'critical-header', 'key-id', 'issuer'],
    run: findKey,
  },
  {
    id: 'signature',
    rule: 'J1',
    applies: isJwt,
    needs: ['key'],
    run: ({ signatureError }) => {
      if (signatureError !== undefined) throw signatureError
    },
  },
  {
    id: 'sender',
    rule: 'J10',
    applies: ({ isOpaque, asksInstead, sender }) => sender.acceptsBound && !isOpaque && !asksInstead,
    needs: ['confirmation'],
    // Without a request: no proof is used.
    run: ofAuth((auth, { sender }) => sender.check(auth, undefined)),
  },
  {
    id: 'introspection',
    rule: 'I2',
    applies: ({ isOpaque, asksInstead, issuer, policy }) =>
      isOpaque || asksInstead || asksAsWell(issuer, policy),
    needs: [],
    run: introspect,
  },
  {
    id: 'binding',
    rule: 'O5',
    applies: ({ policy }) => policy.checks.binding,
    needs: [],
    run: ofAuth((auth, { policy }) => policy.checkBinding(auth)),
  },
  {
    id: 'authentication',
    rule: 'S1',
    applies: ({ policy }) => policy.checks.authentication,
    needs: [],
    run: ofAuth((auth, { policy, clock, clockToleranceSeconds }) =>
      policy.checkAuthentication(auth, clock, clockToleranceSeconds),
    ),
  },
  {
    id: 'scopes',
    rule: 'B6',
    applies: ({ policy }) => policy.checks.scopes,
    needs: [],
    run: ofAuth((auth, { policy }) => policy.checkScopes(auth)),
  },
  {
    id: 'validate',
    rule: 'B6',
    applies: ({ policy }) => policy.checks.validate,
    needs: ['binding', 'authentication', 'scopes'],
    // The function of the application runs once, in the verifier, and only for a token that no check before has refused.
    run: ({ verdict }) => {
      if (!verdict.auth) throw new Inconclusive('skipped')
      if (verdict.error !== undefined) throw verdict.error
    },
  },
]

/** Whether the verifier reads the token itself. */
function isJwt({ isOpaque }: Subject): boolean {
  return !isOpaque
}

/** A check of what header and claims say. */
function ofJwt(
  id: CheckId,
  rule: string,
  check: (token: UnverifiedToken, issuer: TrustedIssuer, subject: Subject) => void,
): Check {
  const run = (subject: Subject): void => {
    if (subject.parsed) check(subject.parsed, subject.issuer, subject)
  }
  return { id, rule, applies: isJwt, needs: ['form'], run }
}

/** A check of one time. A claim that is not there, or is no time, fails in a check before. */
function ofTime(id: CheckId, claim: 'exp' | 'nbf' | 'iat'): Check {
  return ofJwt(id, 'J5', ({ unverifiedClaims }, _, { clock, clockToleranceSeconds }) => {
    const time = unverifiedClaims[claim]
    const isAbsent = time === undefined && claim !== 'exp'
    if (!isAbsent && !isNumericDate(time)) throw new Inconclusive('skipped')
    checkTimes(ownMembers(isAbsent ? {} : { [claim]: time }), clockToleranceSeconds, clock.now())
  })
}

/** A check of what the claims allow, which is possible where they have the right types. */
function ofAuth(check: (auth: Auth, subject: Subject) => Awaitable<void>): Check['run'] {
  return (subject) => {
    if (!subject.auth) throw new Inconclusive('skipped')
    return check(subject.auth, subject)
  }
}

/** Looks for the key, and checks the signature with it: one search finds both. */
async function findKey(subject: Subject): Promise<void> {
  const { parsed, issuer, policy, generation } = subject
  if (!parsed) return
  const { alg, kid } = parsed.unverifiedHeader
  // Both have passed: this tells the compiler.
  checkAlgorithm(alg, issuer.rules)
  checkKeyId(kid)
  try {
    await issuer.keySet.findSigner(parsed.signed, alg, kid, generation)
  } catch (error) {
    if (error instanceof InvalidTokenError && error.code === 'ERR_SIGNATURE_INVALID') {
      subject.signatureError = error
      return
    }
    subject.asksInstead = asksInstead(issuer, policy, error, kid)
    throw subject.asksInstead ? new Inconclusive('skipped', undefined, error) : error
  }
}

/** What the verifier was told when it asked the issuer. It asks only about tokens that nothing local refuses. */
function introspect({ open, asksInstead, introspect, verdict }: Subject): void {
  const isReached = [...open].every((id) => asksInstead && (id === 'key' || id === 'signature'))
  if (!isReached) throw new Inconclusive('skipped')
  if (!introspect) throw new Inconclusive('undecided', NOT_ASKED)
  if (!verdict.auth) throw verdict.error
  if (verdict.auth.verifiedBy === 'signature') throw new Inconclusive('skipped', ACCEPTED_UNCONFIRMED)
}

const NOT_ASKED =
  'The verifier asks the issuer about this token (option "introspection"). explain() does so only with its option "introspect": the token is then sent to the issuer.'

const ACCEPTED_UNCONFIRMED =
  'The issuer could not be asked, and "introspection.onUnavailable" says that the token is accepted nevertheless.'
