import type { Auth } from './auth.js'
import { systemClock } from './clock.js'
import { ConfigurationError, MissingTokenError, toResponse } from './errors.js'
import { inOperation } from './operation.js'
import { resolveOptions, VERIFIER_OPTIONS } from './options.js'
import type { AuthenticatableRequest } from './request/bearer.js'
import { CompiledPolicy } from './request/policy.js'
import type { ProtectedResourceMetadata } from './request/protected-resource.js'
import { checkProtectedResource } from './request/protected-resource-option.js'
import { checkNames, describe } from './validation.js'
import { TokenVerifier } from './verifier.js'

/** What to answer, ready to be written. */
export interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  /** JSON. */
  readonly body: string | undefined
}

/** What is decided about a request: go on, or write this. */
export type Decision = Answer | undefined

/**
 * An array of the functions that are going to handle a request, as far as the framework tells: guards among them say
 * in advance what the operation needs. Only asked when a request is refused.
 */
export type Handlers = () => unknown

interface Admission {
  readonly gate: Gate
  /** `undefined` for an anonymous caller, `null` as long as nobody looked. */
  readonly auth: Auth | null | undefined
  /** Who is to authenticate what, as soon as a guard asks for it. */
  readonly deferred?: { readonly gate: Gate; readonly request: AuthenticatableRequest }
}

/** Who was admitted with which request. Not a property of the request: others write to `req.auth` too. */
const admissions = new WeakMap<object, Admission>()

/** What each `requireAuth()` and `requireScopes()` demands. */
const guards = new WeakMap<object, CompiledPolicy>()

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
    this.#policy = CompiledPolicy.fromMembers(verifier ? rest : {}, this.#verifier.compile(undefined))
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
  async authenticate(
    carrier: object,
    request: AuthenticatableRequest,
    handlers?: Handlers,
  ): Promise<Decision> {
    const metadata = this.#respond(request)
    if (metadata) return metadata
    try {
      await this.#admit(carrier, request)
      return undefined
    } catch (error) {
      return this.#refuse(error, demandsOf(handlers))
    }
  }

  /** The same, but nobody is authenticated before {@link Gate.authorize} asks for it. */
  defer(carrier: object, request: AuthenticatableRequest): Decision {
    const metadata = this.#respond(request)
    if (metadata) return metadata
    // Another gate may have admitted somebody already, who stays that.
    const before = admissions.get(carrier)
    admissions.set(carrier, { gate: this, auth: null, ...before, deferred: { gate: this, request } })
    return undefined
  }

  /** Applies a policy to whom a gate admitted with this request. */
  static async authorize(carrier: object, policy: CompiledPolicy, handlers?: Handlers): Promise<Decision> {
    const admission = admissionOf(carrier)
    const { gate, request } = admission.deferred ?? { gate: admission.gate, request: undefined }
    try {
      const auth = request ? await gate.#admit(carrier, request) : admission.auth
      if (!auth) throw new MissingTokenError()
      await gate.#verifier.enforce(auth, policy)
      return undefined
    } catch (error) {
      return gate.#refuse(error, [policy, ...demandsOf(handlers)])
    }
  }

  /**
   * Who was authenticated with this request.
   *
   * @throws {MissingTokenError} when the caller is anonymous
   * @throws {ConfigurationError} when nobody looked
   */
  static identify(carrier: object): Auth {
    const { gate, auth } = admissionOf(carrier)
    if (auth === null)
      throw new ConfigurationError('Nobody was authenticated: requireAuth() must come before getAuth()')
    if (auth) return auth
    throw gate.#explain(new MissingTokenError(), [])
  }

  #respond(request: AuthenticatableRequest): Decision {
    const response = this.#resource?.respond(request)
    return response && { ...response, body: response.body && JSON.stringify(response.body) }
  }

  async #admit(carrier: object, request: AuthenticatableRequest): Promise<Auth | undefined> {
    // Who is refused here is nobody, whatever another gate said before, and refused again by whoever asks next.
    admissions.set(carrier, { gate: this, auth: undefined, deferred: { gate: this, request } })
    const auth = await this.#verifier.authenticateIfPresent(request, this.#policy)
    if (!auth && !this.#optional) throw new MissingTokenError()
    admissions.set(carrier, { gate: this, auth })
    return auth
  }

  #refuse(error: unknown, demands: readonly CompiledPolicy[]): Answer {
    try {
      if (!isError(error)) throw error
      const explained = this.#explain(error, demands)
      if (this.#throws) throw explained
      const response = toResponse(explained)
      return { ...response, body: JSON.stringify(response.body) }
    } catch (thrown) {
      // Whatever a `validate` throws, or its error when it is looked at: frameworks take some of it (`undefined`,
      // `'route'`) for an order to go on.
      throw isError(thrown) ? thrown : new Error('The request could not be authorized', { cause: thrown })
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

/** What the guards among these functions demand. */
function demandsOf(handlers: Handlers | undefined): CompiledPolicy[] {
  try {
    const known = handlers?.()
    return Array.isArray(known) ? known.flatMap((handler) => guards.get(handler) ?? []) : []
  } catch {
    // Others may have put something else where a framework has its routes. The challenge then says less.
    return []
  }
}

/** A proxy can make the question itself throw, and anything. */
function isError(value: unknown): value is Error {
  try {
    return value instanceof Error
  } catch {
    return false
  }
}

/** Makes known what a function demands that applies {@link Gate.authorize}. */
export function declareGuard<Guard extends object>(policy: CompiledPolicy, guard: Guard): Guard {
  guards.set(guard, policy)
  return guard
}

/** Who was authenticated with this request; `undefined` for an anonymous caller, `null` as long as nobody looked. */
function findAuth(carrier: object): Auth | null | undefined {
  const admission = admissions.get(carrier)
  return admission ? admission.auth : null
}

/**
 * Decides about a request, and keeps the property `auth` of what handlers are given up to date. Somebody may have made
 * it unwritable, or an accessor that throws: `getAuth()` does not depend on it, and neither does what is decided.
 */
export async function attachAuth(
  carrier: object,
  holder: unknown,
  decide: () => Promise<Decision>,
): Promise<Decision> {
  const before = findAuth(carrier)
  try {
    return await decide()
  } finally {
    const auth = findAuth(carrier)
    try {
      // What others have made of it since is theirs.
      if (auth !== before) Reflect.set(Object(holder), 'auth', auth)
    } catch {}
  }
}

function admissionOf(carrier: object): Admission {
  const admission = admissions.get(carrier)
  if (!admission)
    throw new ConfigurationError(
      'Nobody was authenticated: telnyxAuth() must come before requireAuth(), requireScopes() and getAuth()',
    )
  return admission
}
