import { type Admission, Admissions } from './admission.js'
import type { Auth } from './auth.js'
import { type Awaitable, after, attempt } from './awaitable.js'
import { systemClock } from './clock.js'
import { ConfigurationError, InvalidTokenError, MissingTokenError, toResponse } from './errors.js'
import { demandsOf, type Handlers } from './guards.js'
import { missingToken } from './observe.js'
import { asError, copyOf, inOperation } from './operation.js'
import { resolveOptions, VERIFIER_OPTIONS } from './options.js'
import type { AuthenticatableRequest } from './request/bearer.js'
import { CompiledPolicy } from './request/policy.js'
import type { ProtectedResourceMetadata } from './request/protected-resource.js'
import { checkProtectedResource } from './request/protected-resource-option.js'
import { checkNames, describe } from './validation.js'
import { isVerifierOfAnotherCopy, TokenVerifier } from './verifier.js'

/** What to answer, ready to be written. */
export interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  /** JSON. */
  readonly body: string | undefined
}

/** What is decided about a request: go on, or write this. */
export type Decision = Answer | undefined

const BEHAVIOUR = ['optional', 'errors'] as const

/** What `telnyxAuth()` is in every adapter. */
export class Gate {
  readonly #verifier: TokenVerifier
  readonly #policy: CompiledPolicy
  readonly #resource: ProtectedResourceMetadata | undefined
  readonly #optional: boolean
  readonly #throws: boolean

  /**
   * @param switches the names of options that are the adapter's own affair, and true or false
   * @throws {ConfigurationError}
   */
  constructor(options: unknown, switches: readonly string[] = []) {
    const names = [...switches, ...BEHAVIOUR, 'verifier', ...VERIFIER_OPTIONS]
    const given = checkNames(options === undefined ? {} : options, names, 'option')
    for (const name of ['optional', ...switches])
      if (given[name] !== undefined && typeof given[name] !== 'boolean')
        throw new ConfigurationError(`Option "${name}" must be true or false, not ${describe(given[name])}`)
    for (const name of switches) delete given[name]
    const { verifier, optional, errors = 'respond', ...rest } = given
    if (errors !== 'respond' && errors !== 'throw')
      throw new ConfigurationError(`Option "errors" must be "respond" or "throw", not ${describe(errors)}`)
    if (isVerifierOfAnotherCopy(verifier))
      throw new ConfigurationError(
        'Option "verifier" was made by another copy of @telnyx-auth/core than this adapter uses: install one version for both ("npm ls @telnyx-auth/core" shows the copies)',
      )
    if (verifier !== undefined && !(verifier instanceof TokenVerifier))
      throw new ConfigurationError(
        `Option "verifier" must be what createVerifier() of the same @telnyx-auth/core returned, not ${describe(verifier)}`,
      )

    const excluded = Object.keys(rest).find(
      (name) =>
        rest[name] !== undefined && name !== 'protectedResource' && !CompiledPolicy.MEMBERS.includes(name),
    )
    if (verifier && excluded)
      throw new ConfigurationError(
        `Options "verifier" and "${excluded}" exclude each other: what a verifier checks is said where it is made`,
      )

    this.#verifier = verifier ?? new TokenVerifier(resolveOptions(rest, process.env), systemClock)
    this.#policy = this.#verifier.supporting(
      CompiledPolicy.fromMembers(verifier ? rest : {}, this.#verifier.compile(undefined)),
    )
    this.#resource = this.#verifier.describeResource(
      this.#policy,
      checkProtectedResource(rest.protectedResource),
    )
    this.#optional = optional === true
    this.#throws = errors === 'throw'
  }

  /**
   * Answers a request for the metadata of the protected resource; authenticates every other one, and remembers who
   * it was.
   *
   * @param carrier the object that the framework hands to everything that handles this request
   * @returns what to write, or `undefined` to go on
   * @throws what the framework's own error handling is to get
   */
  authenticate(carrier: object, request: AuthenticatableRequest, handlers?: Handlers): Awaitable<Decision> {
    const metadata = this.#respond(request)
    if (metadata) return metadata
    return attempt(
      () => this.#admit(carrier, request),
      () => undefined,
      (error) => this.#refuse(error, demandsOf(handlers)),
    )
  }

  /** The same, but nobody is authenticated before {@link Gate.authorize} asks for it. */
  defer(carrier: object, request: AuthenticatableRequest): Decision {
    const metadata = this.#respond(request)
    if (metadata) return metadata
    // Another gate may have admitted somebody already, who stays that; what it refused, this one is to judge by itself.
    const { gate, auth, satisfied } = Admissions.get(carrier) ?? { gate: this, auth: null, satisfied: [] }
    Admissions.set(carrier, { gate, auth, satisfied, deferred: { gate: this, request } })
    return undefined
  }

  /** Applies a policy to whom a gate admitted with this request. */
  static authorize(carrier: object, policy: CompiledPolicy, handlers?: Handlers): Awaitable<Decision> {
    const { deferred, gate: admitting } = admissionOf(carrier)
    const gate = deferred?.gate ?? admitting
    return attempt(
      () => gate.#authorize(carrier, policy),
      () => undefined,
      (error) => gate.#refuse(error, [policy, ...demandsOf(handlers)]),
    )
  }

  /**
   * Who was authenticated with this request.
   *
   * @throws {MissingTokenError} when the caller is anonymous
   * @throws {ConfigurationError} when nobody looked
   * @throws what the request was refused with, in an application that went on nevertheless
   */
  static identify(carrier: object): Auth {
    const { gate, auth, refusal } = admissionOf(carrier)
    if (refusal) throw gate.#explain(asError(copyOf(refusal.error)), [])
    if (auth === null)
      throw new ConfigurationError('Nobody was authenticated: requireAuth() must come before getAuth()')
    if (auth) return auth
    throw gate.#explain(new MissingTokenError(), [])
  }

  #authorize(carrier: object, policy: CompiledPolicy): Awaitable<unknown> {
    const { refusal, deferred, auth: admitted } = admissionOf(carrier)
    if (refusal) throw copyOf(refusal.error)
    const apply = (auth: Auth | null | undefined) => {
      if (!auth) throw missingToken()
      return this.#apply(carrier, auth, policy)
    }
    const auth = deferred ? this.#admit(carrier, deferred.request) : admitted
    return after(auth, apply)
  }

  #apply(carrier: object, auth: Auth, policy: CompiledPolicy): Awaitable<unknown> {
    const enforce = (confirmed: Auth) => {
      const { satisfied } = admissionOf(carrier)
      // Scopes that the issuer has withdrawn since may have been what satisfied others.
      const narrowed = auth.scopes.some((scope) => !confirmed.scopes.includes(scope))
      const enforced = this.#verifier.enforce(confirmed, narrowed ? [...satisfied, policy] : [policy])
      return after(enforced, () => {
        if (!satisfied.includes(policy)) satisfied.push(policy)
      })
    }
    return after(this.#confirm(carrier, auth, policy), enforce)
  }

  /** Lets the issuer say about a token what the policy wants to hear, and whatever comes after this know it. */
  #confirm(carrier: object, auth: Auth, policy: CompiledPolicy): Awaitable<Auth> {
    const { satisfied } = admissionOf(carrier)
    return attempt(
      () => this.#verifier.confirm(auth, policy),
      (confirmed) => {
        if (confirmed !== auth) Admissions.set(carrier, { gate: this, auth: confirmed, satisfied })
        return confirmed
      },
      (error) => {
        if (error instanceof InvalidTokenError)
          Admissions.set(carrier, { gate: this, auth: undefined, satisfied: [], refusal: { error } })
        throw error
      },
    )
  }

  #respond(request: AuthenticatableRequest): Decision {
    const response = this.#resource?.respond(request)
    return response && { ...response, body: response.body && JSON.stringify(response.body) }
  }

  #admit(carrier: object, request: AuthenticatableRequest): Awaitable<Auth | undefined> {
    const before = Admissions.get(carrier)?.satisfied ?? []
    const refuse = (error: unknown): never => {
      // Who is refused here is nobody, whatever another gate said before.
      Admissions.set(carrier, { gate: this, auth: undefined, satisfied: [], refusal: { error } })
      throw error
    }
    return attempt(
      () => this.#verifier.authenticateIfPresent(request, this.#policy),
      (auth) => {
        if (!auth && !this.#optional) return refuse(missingToken())
        Admissions.set(carrier, { gate: this, auth, satisfied: [...before, this.#policy] })
        return auth
      },
      refuse,
    )
  }

  #refuse(error: unknown, demands: readonly CompiledPolicy[]): Answer {
    try {
      const explained = this.#explain(asError(error), demands)
      if (this.#throws) throw explained
      const response = toResponse(explained)
      return { ...response, body: JSON.stringify(response.body) }
    } catch (thrown) {
      // An error may itself throw when it is looked at.
      throw asError(thrown)
    }
  }

  /** Lets an error say in its challenge all that the operation needs. */
  #explain(error: Error, demands: readonly CompiledPolicy[]): unknown {
    return inOperation(error, {
      requiredScopes: [this.#policy, ...demands].flatMap((policy) => policy.requiredScopes),
      resourceMetadata: this.#resource?.url,
    })
  }
}

/**
 * Decides about a request, and keeps the property `auth` of what handlers are given up to date. Somebody may have made
 * it unwritable, or an accessor that throws: `getAuth()` does not depend on it, and neither does what is decided.
 *
 * @returns the decision itself where nothing had to be waited for, as with most tokens that are known
 * @throws what the framework's own error handling is to get, at once or by the promise
 */
export function attachAuth(
  carrier: object,
  holder: unknown,
  decide: () => Awaitable<Decision>,
): Awaitable<Decision> {
  const before = Admissions.get(carrier)
  const attach = () => {
    const now = Admissions.get(carrier)
    try {
      // A guard that found nobody new leaves what others have made of it.
      if (now !== before && isObject(holder)) holder.auth = now?.auth
    } catch {}
  }
  return attempt(
    decide,
    (decision) => {
      attach()
      return decision
    },
    (thrown) => {
      attach()
      throw asError(thrown)
    },
  )
}

function isObject(value: unknown): value is { auth?: unknown } {
  return typeof value === 'object' && value !== null
}

function admissionOf(carrier: object): Admission {
  const admission = Admissions.get(carrier)
  if (!admission)
    throw new ConfigurationError(
      'Nobody was authenticated: telnyxAuth() must come before requireAuth(), requireScopes() and getAuth()',
    )
  return admission
}
