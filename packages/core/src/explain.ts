import type { Clock } from './base/clock.js'
import { deepFreeze } from './base/deep-freeze.js'
import { ownMembers } from './base/own-members.js'
import { checkNames, describe } from './errors/check-options.js'
import { ConfigurationError, MissingTokenError, UnavailableError } from './errors/errors.js'
import { isTelnyxAuthError } from './errors/telnyx-auth-error.js'
import { CHECKS, type Check, Inconclusive, type Subject, type Verdict } from './explain-checks.js'
import type { CheckFailure, Explanation, TokenCheck } from './explanation.js'
import type { TrustedIssuer } from './issuer/trusted-issuer.js'
import type { TrustedIssuers } from './issuer/trusted-issuers.js'
import type { CompiledPolicy, EnforceablePolicy } from './policy/policy.js'
import type { SenderCheck } from './sender/check-sender.js'
import { refusalDetails } from './telemetry/observe.js'
import type { Auth } from './token/auth.js'
import { checkClaims } from './token/claims.js'
import {
  isOpaqueToken,
  KnownHeaders,
  parseUnverifiedToken,
  type UnverifiedToken,
} from './token/parse-token.js'
import { VerificationPipeline } from './verifier.js'
import type { ResolvedOptions } from './verifier-options.js'

/** The parts of a verifier. */
export interface VerifierParts {
  readonly options: ResolvedOptions
  readonly issuers: TrustedIssuers
  readonly sender: SenderCheck
  readonly clock: Clock
}

/**
 * Checks the options of `explain`.
 *
 * @throws {ConfigurationError}
 */
export function mayIntrospect(options: unknown): boolean {
  if (options === undefined) return false
  const { introspect } = ownMembers(checkNames(options, ['introspect'], 'option of explain()'))
  if (introspect === undefined || typeof introspect === 'boolean') return introspect === true
  throw new ConfigurationError(`Option "introspect" must be true or false, not ${describe(introspect)}`)
}

/**
 * Lets the verifier decide, and then makes each of its checks by itself.
 *
 * @throws what the application's own `validate` throws, unless it is a refusal
 */
export async function explain(
  token: string,
  policy: CompiledPolicy,
  introspect: boolean,
  verifier: VerifierParts,
): Promise<Explanation> {
  const { options, issuers, sender } = verifier
  const { maxTokenBytes, clockToleranceSeconds } = options
  const isOpaque =
    issuers.opaqueTokenIssuer !== undefined &&
    typeof token === 'string' &&
    isOpaqueToken(token, maxTokenBytes)
  const { parsed, error: formError } = isOpaque ? UNREAD : parse(token, maxTokenBytes)
  const named = isOpaque ? issuers.opaqueTokenIssuer : issuers.get(parsed?.unverifiedClaims.iss)
  const issuer = named ?? issuers.first
  const generation = issuer.keySet.document.latestGeneration
  const clock = new RepeatedClock(verifier.clock)
  const verdict = await decide(token, policy, introspect, isOpaque, { ...verifier, clock })
  clock.stop()

  const subject: Subject = {
    token,
    policy,
    sender,
    clock,
    maxTokenBytes,
    clockToleranceSeconds,
    isOpaque,
    parsed,
    formError: formError ?? verdict.error,
    issuer,
    generation,
    introspect,
    verdict,
    auth: verdict.auth ?? (parsed && authOf(token, parsed, issuer)),
    open: new Set(),
    signatureError: undefined,
    asksInstead: false,
  }
  const checks = await makeChecks(subject)
  return {
    ...overall(verdict, checks, introspect),
    checks,
    ...(parsed && {
      header: deepFreeze(Object.assign(ownMembers(), parsed.unverifiedHeader)),
      claims: deepFreeze(parsed.unverifiedClaims),
    }),
  }
}

/** Once stopped, it repeats what it was last: the checks are made as of the moment at which the verifier made them. */
class RepeatedClock implements Clock {
  readonly #clock: Clock
  #last: number
  #isStopped = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#last = clock.now()
  }

  now(): number {
    if (!this.#isStopped) this.#last = this.#clock.now()
    return this.#last
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  random(): number {
    return this.#clock.random()
  }

  /** The issuer or the application may have taken long to answer. */
  stop(): void {
    this.#isStopped = true
  }
}

type Parsed = { readonly parsed: UnverifiedToken | undefined; readonly error: unknown }

const UNREAD: Parsed = { parsed: undefined, error: undefined }

function parse(token: string, maxTokenBytes: number): Parsed {
  // JavaScript passes other values too. What the verifier says about them is in its verdict.
  if (typeof token !== 'string') return UNREAD
  try {
    return { parsed: parseUnverifiedToken(token, maxTokenBytes, new KnownHeaders()), error: undefined }
  } catch (error) {
    return { parsed: undefined, error }
  }
}

/**
 * Runs the steps of the verifier, with its keys, and without its cache of verified tokens, which would spare checks. Nothing is
 * published: no caller has presented the token.
 *
 * @throws what the verifier throws and is no refusal
 */
async function decide(
  token: string,
  policy: CompiledPolicy,
  introspect: boolean,
  isOpaque: boolean,
  { options, issuers, sender, clock }: VerifierParts,
): Promise<Verdict> {
  const verdict: Verdict = { auth: undefined, error: undefined }
  // Only the issuer can judge it.
  if (isOpaque && !introspect) return verdict
  const recorded: EnforceablePolicy = {
    // A JWT is not opaque, so no issuer is asked about it.
    introspection: introspect ? policy.introspection : 'opaque',
    enforce: (auth, ...rest) => {
      verdict.auth = auth
      return policy.enforce(auth, ...rest)
    },
  }
  try {
    if (token === undefined || token === null) throw new MissingTokenError([], 'no-credentials')
    const pipeline = new VerificationPipeline({ ...options, cache: undefined }, sender, clock, issuers)
    await pipeline.decide(token, recorded, undefined)
  } catch (error) {
    // Here, because the application's function may throw `undefined`, which is no error in a verdict.
    if (!isRefusal(error)) throw error
    verdict.error = error
  }
  return verdict
}

/** What the policy would judge if nothing before had refused the token; `undefined` where its claims have wrong types. */
function authOf(
  token: string,
  { unverifiedClaims }: UnverifiedToken,
  issuer: TrustedIssuer,
): Auth | undefined {
  const { iss } = unverifiedClaims
  if (typeof iss !== 'string') return undefined
  const claims = Object.assign(ownMembers(), unverifiedClaims)
  try {
    checkClaims(claims, { ...issuer.rules, issuer: iss, audience: null })
  } catch {
    return undefined
  }
  return issuer.createAuth(token, claims, 'signature')
}

async function makeChecks(subject: Subject): Promise<TokenCheck[]> {
  const checks: TokenCheck[] = []
  for (const check of CHECKS) {
    if (!check.applies(subject)) continue
    const { id, rule } = check
    const found = await outcomeOf(check, subject)
    if (found.outcome !== 'passed') subject.open.add(id)
    checks.push({ id, rule, ...found })
  }
  return checks
}

async function outcomeOf({ needs, run }: Check, subject: Subject): Promise<Omit<TokenCheck, 'id' | 'rule'>> {
  if (needs.some((id) => subject.open.has(id))) return { outcome: 'skipped' }
  try {
    await run(subject)
    return { outcome: 'passed' }
  } catch (error) {
    if (error instanceof Inconclusive) {
      const { outcome, hint, cause } = error
      return { outcome, ...failureOf(cause), ...(hint !== undefined && { hint }) }
    }
    // A function of the application (`scopeImplies`) has thrown. The verifier did not call it: it refuses the token before.
    if (!isRefusal(error)) return { outcome: 'skipped' }
    return { outcome: isOutage(error) ? 'undecided' : 'failed', ...failureOf(error) }
  }
}

/** What the verifier decided; `undecided` where it would have asked the issuer, and was not allowed to. */
function overall(
  { error }: Verdict,
  checks: readonly TokenCheck[],
  introspect: boolean,
): Pick<Explanation, 'outcome' | keyof CheckFailure> {
  const unasked = introspect ? undefined : checks.find(({ id }) => id === 'introspection')
  if (unasked?.outcome === 'undecided')
    return { outcome: 'undecided', ...(unasked.hint !== undefined && { hint: unasked.hint }) }
  if (error === undefined) return { outcome: 'accepted' }
  return { outcome: isOutage(error) ? 'undecided' : 'refused', ...failureOf(error) }
}

function failureOf(error: unknown): CheckFailure {
  if (!isTelnyxAuthError(error)) return {}
  const { code, claim, reason, hint } = refusalDetails(error)
  return {
    code,
    ...(claim !== undefined && { claim }),
    ...(reason !== undefined && { reason }),
    ...(hint !== undefined && { hint }),
  }
}

/** Not one: an error of the application's `validate`, or a mistake in the configuration. */
function isRefusal(error: unknown): boolean {
  return isTelnyxAuthError(error) && error.code !== 'ERR_CONFIGURATION'
}

function isOutage(error: unknown): boolean {
  return error instanceof UnavailableError
}
