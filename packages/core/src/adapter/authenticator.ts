import { systemClock } from '../base/clock.js'
import { type Awaitable, after, attempt } from '../base/maybe-async.js'
import { ownMembers } from '../base/own-members.js'
import { isVerifierOfAnotherCopy, TokenVerifier } from '../create-verifier.js'
import { asError, copyOf, withChallengeContext } from '../errors/challenge-context.js'
import { checkNames, describe, isPlainObject } from '../errors/check-options.js'
import { ConfigurationError, InvalidTokenError, MissingTokenError, toResponse } from '../errors/errors.js'
import { CompiledPolicy } from '../policy/policy.js'
import type { AuthenticatableRequest } from '../request/authorization-header.js'
import type { ProtectedResourceMetadata } from '../resource/protected-resource.js'
import { checkProtectedResource } from '../resource/protected-resource-options.js'
import { missingToken } from '../telemetry/observe.js'
import type { Auth } from '../token/auth.js'
import { resolveOptions, VERIFIER_OPTIONS } from '../verifier-options.js'
import { type Admission, Admissions } from './auth-state.js'
import { announceCopy, isKnownToAnotherCopy } from './copies.js'
import { demandsOf, type Handlers } from './guards.js'
import { type Answer, clearForError, type HeaderStore } from './response-headers.js'

/** What is decided about a request: go on, or write this. */
export type Decision = Answer | undefined

const BEHAVIOUR = ['optional', 'errors'] as const

/** The options of one adapter alone, by name: true or false, or the name of a property or false. */
export type OwnOptions = Readonly<Record<string, 'switch' | 'property'>>

const KINDS: Readonly<Record<OwnOptions[string], { words: string; accepts(value: unknown): boolean }>> = {
  switch: { words: 'true or false', accepts: (value) => typeof value === 'boolean' },
  property: {
    words: 'the name of a property, or false for none',
    accepts: (value) => value === false || (typeof value === 'string' && isPropertyName(value)),
  },
}

/** What `telnyxAuth()` is in every adapter. */
export class Gate {
  /** The options of this adapter alone, as they were given. */
  readonly own: Readonly<Record<string, unknown>>
  /** The property of what handlers are given that says who calls; `false` for none. */
  readonly property: string | false
  readonly #verifier: TokenVerifier
  readonly #policy: CompiledPolicy
  readonly #resource: ProtectedResourceMetadata | undefined
  readonly #optional: boolean
  readonly #throws: boolean

  /** @throws {ConfigurationError} */
  constructor(options: unknown, own: OwnOptions = {}) {
    if (isRequest(options))
      throw new ConfigurationError(
        'telnyxAuth was given a request in place of options: call it, as in app.use(telnyxAuth())',
      )
    const names = [...Object.keys(own), ...BEHAVIOUR, 'verifier', ...VERIFIER_OPTIONS]
    const given = checkNames(options === undefined ? {} : options, names, 'option')
    for (const [name, kind] of Object.entries({ optional: 'switch', ...own } satisfies OwnOptions))
      if (given[name] !== undefined && !KINDS[kind].accepts(given[name]))
        throw new ConfigurationError(
          `Option "${name}" must be ${KINDS[kind].words}, not ${describe(given[name])}`,
        )
    this.own = pick(given, (name) => Object.hasOwn(own, name))
    this.property =
      typeof this.own.decorator === 'string' || this.own.decorator === false ? this.own.decorator : 'auth'
    const { verifier, optional, errors = 'respond' } = given
    const rest = pick(
      given,
      (name) => !Object.hasOwn(own, name) && !['verifier', ...BEHAVIOUR].includes(name),
    )
    if (errors !== 'respond' && errors !== 'throw')
      throw new ConfigurationError(`Option "errors" must be "respond" or "throw", not ${describe(errors)}`)
    if (isVerifierOfAnotherCopy(verifier))
      throw new ConfigurationError(
        `Option "verifier" was made by another copy of @telnyx-auth/core than this adapter uses. ${ONE_COPY}`,
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
      CompiledPolicy.fromMembers(verifier ? rest : ownMembers(), this.#verifier.compile(undefined)),
    )
    this.#resource = this.#verifier.describeResource(
      this.#policy,
      checkProtectedResource(rest.protectedResource),
    )
    this.#optional = optional === true
    this.#throws = errors === 'throw'
    announceCopy((request) => Admissions.get(request) !== undefined)
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
    Admissions.set(carrier, {
      gate,
      auth,
      satisfied,
      deferred: { gate: this, request },
      refusal: undefined,
      anonymous: undefined,
    })
    return undefined
  }

  /**
   * Applies a policy to whom a gate admitted with this request.
   *
   * @param given what the framework gave to the guard, in which the carrier should be
   */
  static authorize(
    carrier: object,
    policy: CompiledPolicy,
    handlers?: Handlers,
    given?: object,
  ): Awaitable<Decision> {
    const { deferred, gate: admitting } = admissionOf(carrier, given)
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
   * @param given what `getAuth()` was given, in which the carrier should be
   * @throws {MissingTokenError} when the caller is anonymous
   * @throws {ConfigurationError} when nobody looked
   * @throws what the request was refused with, in an application that went on nevertheless
   */
  static identify(carrier: object, given?: object): Auth {
    const { gate, auth, refusal } = admissionOf(carrier, given)
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
      if (!auth) {
        const { anonymous } = admissionOf(carrier)
        throw anonymous ? this.#verifier.missingToken(anonymous) : missingToken()
      }
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
        if (confirmed !== auth) this.#admitted(carrier, confirmed, satisfied)
        return confirmed
      },
      (error) => {
        if (error instanceof InvalidTokenError) this.#refused(carrier, error)
        throw error
      },
    )
  }

  #respond(request: AuthenticatableRequest): Decision {
    const response = this.#resource?.respond(request)
    if (!response) return undefined
    const { status, headers, body } = response
    return { status, headers, body: body && JSON.stringify(body) }
  }

  #admit(carrier: object, request: AuthenticatableRequest): Awaitable<Auth | undefined> {
    const before = Admissions.get(carrier)?.satisfied ?? []
    const refuse = (error: unknown): never => {
      // Who is refused here is nobody, whatever another gate said before.
      this.#refused(carrier, error)
      throw error
    }
    return attempt(
      () => this.#verifier.authenticateIfPresent(request, this.#policy),
      (auth) => {
        if (!auth && !this.#optional) return refuse(this.#verifier.missingToken(request))
        this.#admitted(carrier, auth, [...before, this.#policy], auth ? undefined : request)
        return auth
      },
      refuse,
    )
  }

  #admitted(
    carrier: object,
    auth: Auth | undefined,
    satisfied: CompiledPolicy[],
    anonymous?: AuthenticatableRequest,
  ): void {
    Admissions.set(carrier, {
      gate: this,
      auth,
      satisfied,
      deferred: undefined,
      refusal: undefined,
      anonymous,
    })
  }

  #refused(carrier: object, error: unknown): void {
    Admissions.set(carrier, {
      gate: this,
      auth: undefined,
      satisfied: [],
      deferred: undefined,
      refusal: { error },
      anonymous: undefined,
    })
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
    return withChallengeContext(error, {
      requiredScopes: [this.#policy, ...demands].flatMap((policy) => policy.requiredScopes),
      resourceMetadata: this.#resource?.url,
    })
  }
}

/**
 * Decides about a request, and then updates the property of what handlers are given that says who calls. Another program may
 * have made it unwritable, or an accessor that throws: `getAuth()` does not depend on it, and neither does what is decided.
 *
 * @param responses where the framework keeps the headers of the response, from which an error takes what frames a body
 * @returns the decision itself where nothing had to be waited for, as with most tokens that are known
 * @throws what the framework's own error handling is to get, at once or by the promise
 */
export function attachAuth(
  carrier: object,
  holder: unknown,
  decide: () => Awaitable<Decision>,
  ...responses: HeaderStore[]
): Awaitable<Decision> {
  const before = Admissions.get(carrier)
  const attach = () => {
    const now = Admissions.get(carrier)
    try {
      // A guard that found nobody new leaves what others have made of it.
      if (now && now !== before && now.gate.property !== false && isObject(holder))
        holder[now.gate.property] = now.auth
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
      clearForError(...responses)
      throw asError(thrown)
    },
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Some members of an object, in one that inherits nothing. */
function pick(
  object: Readonly<Record<string, unknown>>,
  isWanted: (name: string) => boolean,
): Record<string, unknown> {
  return ownMembers(Object.fromEntries(Object.entries(object).filter(([name]) => isWanted(name))))
}

function isPropertyName(name: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__'
}

/** Whether a framework has called a function that makes middleware, as if it were middleware. */
export function isRequest(value: unknown): boolean {
  return isObject(value) && !isPlainObject(value) && 'headers' in value
}

const ONE_COPY = 'Install one only: npm ls @telnyx-auth/core shows where they are'

function admissionOf(carrier: object, given: unknown = carrier): Admission {
  const admission = Admissions.get(carrier)
  if (admission) return admission
  const known = (isKnown: (request: unknown) => boolean) =>
    // Node's request, and where Koa and Fastify keep it.
    isKnown(given) || (isObject(given) && (isKnown(given.req) || isKnown(given.raw)))
  if (known((request) => Admissions.get(request) !== undefined))
    throw new ConfigurationError(
      'getAuth(), requireAuth() and requireScopes() must be of the package for the framework that called them, and be given its request',
    )
  if (known(isKnownToAnotherCopy))
    throw new ConfigurationError(
      `telnyxAuth() is of another copy of @telnyx-auth/core than the guard or getAuth() after it. ${ONE_COPY}`,
    )
  throw new ConfigurationError(
    'telnyxAuth() did not see this request: it is missing, or stands after requireAuth(), requireScopes() or getAuth(), and must come before them',
  )
}
