import { ownMember, ownMembers } from '../base/own-members.js'
import { resumeStackTraces, suspendStackTraces } from '../base/stack-trace.js'
import { type ChallengeParameters, formatChallenge } from './challenge.js'
import {
  type ErrorCode,
  type InvalidRequestCode,
  type InvalidTokenCode,
  type ResponseParts,
  responseParts,
  type UnavailableCode,
} from './error-codes.js'
import { hints, type Reason } from './reasons.js'
import { onlyWritable } from './writable-headers.js'

/**
 * What marks the errors of every copy of this package in a process: `instanceof` knows those of its own copy only. No text that
 * was parsed can hold a symbol, so nothing that a caller sends can pass for an error.
 */
const BRAND = Symbol.for('@telnyx-auth/core.error')

/** Gives a class the name that its errors have: minifiers change the names of classes. */
function nameErrors({ prototype }: { readonly prototype: TelnyxAuthError }, name: string): void {
  Object.defineProperty(prototype, 'name', { value: name, writable: true, configurable: true })
}

/**
 * The same for a class of refusals. Frameworks of web standards answer an error that the application does not handle with
 * what its method `getResponse()` returns: Hono does. A `ConfigurationError` has none, so it is logged and answered with 500.
 */
function nameRefusals(refusal: { readonly prototype: TelnyxAuthError }, name: string): void {
  nameErrors(refusal, name)
  Object.defineProperty(refusal.prototype, 'getResponse', {
    value(this: TelnyxAuthError) {
      const { body, ...init } = toResponse(this)
      return new Response(JSON.stringify(body), init)
    },
    writable: true,
    configurable: true,
  })
}

/** The state that the constructor of an error has made. */
let stateOfMade: (error: TelnyxAuthError) => State | undefined

/**
 * The base of every error of this library. `message` is for operators and never holds a token, a secret or
 * the value of a claim; what a caller is told is in {@link toResponse}.
 */
export abstract class TelnyxAuthError extends Error {
  static {
    nameErrors(TelnyxAuthError, 'TelnyxAuthError')
    // What the caller is told, for another copy of this package that does not know the code.
    Object.defineProperty(TelnyxAuthError.prototype, BRAND, {
      value(this: TelnyxAuthError) {
        return stateOf(this).answer
      },
    })
    stateOfMade = (error) => (#state in error ? error.#state : undefined)
  }

  readonly #state: State

  /** What happened, stable across releases. */
  readonly code: ErrorCode
  /** The HTTP status of the answer. */
  readonly status: number
  /** The same as `status`, under the name that Fastify and others look for. */
  readonly statusCode: number
  /** Whether the answer may tell the caller what happened, in the sense of the `http-errors` convention. */
  readonly expose: boolean
  /** All the scopes that the operation needs, where they are known; those that the token has included. */
  readonly requiredScopes: readonly string[]
  /** The URL of the metadata of the protected resource (RFC 9728), where it has some. */
  readonly resourceMetadata: string | undefined
  /** The exact check that failed, a stable short word. For operators: it is never sent to the caller. */
  declare readonly reason?: Reason
  /** What the operator can do about it, one fixed sentence. It is never sent to the caller. */
  declare readonly hint?: string

  constructor(
    code: ErrorCode,
    detail: {
      message?: string | undefined
      cause?: unknown
      scopes?: readonly string[]
      reason?: Reason | undefined
    } = {},
  ) {
    const { status, description } = responseParts[code]
    const message = ownMember(detail, 'message') ?? description
    const options = Object.hasOwn(detail, 'cause') ? { cause: detail.cause } : undefined
    // A refusal is expected, and callers can cause any number of them.
    const isExpected = code !== 'ERR_CONFIGURATION'
    const limit = isExpected ? suspendStackTraces() : undefined
    super(message, options)
    if (isExpected) resumeStackTraces(limit)
    const reason = ownMember(detail, 'reason')
    this.code = code
    this.status = status
    this.statusCode = status
    this.expose = status < 500
    this.requiredScopes = listOfStrings(ownMember(detail, 'scopes'))
    this.resourceMetadata = undefined
    // The constructors are public, and JavaScript lets any text through.
    if (reason !== undefined && Object.hasOwn(hints, reason)) {
      this.reason = reason
      this.hint = hints[reason]
    }
    this.#state = stateOfNew(code, this.requiredScopes)
  }

  /**
   * The headers of the answer: the challenge of a 400, 401 or 403, the `Retry-After` of a 503, and `Cache-Control:
   * no-store`.
   */
  get headers(): Record<string, string> {
    const state = stateOf(this)
    state.headers ??= { ...this.createHeaders(), ...state.added }
    return state.headers
  }

  /**
   * Others add theirs: `@koa/cors` does, so that its headers are on errors too. They do not take ours away; those that cannot
   * be written, or frame a body, are left out.
   */
  set headers(value: Record<string, string>) {
    const state = stateOf(this)
    state.added = onlyWritable(value)
    state.headers = { ...this.createHeaders(), ...state.added }
  }

  /** Those of the answer, even if a class that was derived from ours has others, or an application has removed some. */
  static headersToAnswer(error: TelnyxAuthError): Record<string, string> {
    const created = error.createHeaders()
    const state = stateOf(error)
    state.headers ??= { ...created, ...state.added }
    return { ...created, ...error.headers }
  }

  protected createHeaders(): Record<string, string> {
    if (stateOf(this).answer.status >= 500) return { ...NOT_STORED }
    return { 'WWW-Authenticate': formatChallenge(this.challenge), ...NOT_STORED }
  }

  /** What the challenge says. */
  protected get challenge(): ChallengeParameters {
    const { error, description } = stateOf(this).answer
    return {
      error,
      // RFC 6750 §3.1: a request without credentials is not told an error code or other error information.
      errorDescription: error && description,
      scopes: this.requiredScopes,
      resourceMetadata: this.resourceMetadata,
    }
  }
}

/** A refusal is for one request: a cache must not answer another one with it (RFC 9111 §5.2.2.5). */
const NOT_STORED: Readonly<Record<string, string>> = { 'Cache-Control': 'no-store' }

/** The state of an error. Writing to the members of the error does not change it. */
interface State {
  /** What it was made as. */
  readonly answer: ResponseParts
  /** The scopes that it was made with. */
  readonly scopes: readonly string[]
  /** Its headers, once they were read or assigned: what the application adds to them must stay. */
  headers: Record<string, string> | undefined
  /** The headers that the application assigned. */
  added: Record<string, string> | undefined
  /** Whether the required scopes and the metadata URL of an operation were added. */
  hasChallengeContext: boolean
}

/** With every member: one that is left out would be looked up in `Object.prototype`, which can be polluted. */
function stateOfNew(code: ErrorCode, scopes: readonly string[]): State {
  // An object that only has the prototype of an error can have any code.
  const answer = Object.hasOwn(responseParts, code) ? responseParts[code] : responseParts.ERR_CONFIGURATION
  return { answer, scopes, headers: undefined, added: undefined, hasChallengeContext: false }
}

/** The states of errors that no constructor has made: proxies, copies, and objects with the prototype of an error. */
const otherStates = new WeakMap<TelnyxAuthError, State>()

export function stateOf(error: TelnyxAuthError): State {
  const known = stateOfMade(error) ?? otherStates.get(error)
  if (known) return known
  const state = stateOfNew(error.code, [])
  otherStates.set(error, state)
  return state
}

/** The scopes of errors whose class was derived from another copy of this package, as they were at first. */
const scopesOfOtherCopies = new WeakMap<TelnyxAuthError, readonly string[]>()

/** The scopes that an error was created with, without those that a challenge context has added since. */
export function scopesBeforeContext(error: TelnyxAuthError): readonly string[] {
  if (isOfThisCopy(error)) return stateOf(error).scopes
  const known = scopesOfOtherCopies.get(error) ?? listOfStrings(error.requiredScopes)
  scopesOfOtherCopies.set(error, known)
  return known
}

const NO_STRINGS: readonly string[] = Object.freeze([])

/** Applications can create the errors with any value. The answer must still be possible. */
function listOfStrings(values: unknown): readonly string[] {
  if (!Array.isArray(values)) return NO_STRINGS
  const list: unknown[] = values
  return Object.freeze(list.filter((value) => typeof value === 'string'))
}

/** The request carries no access token: no `Authorization` header, or one of another scheme (RFC 6750 §3.1). */
export class MissingTokenError extends TelnyxAuthError {
  static {
    nameRefusals(MissingTokenError, 'MissingTokenError')
  }

  declare readonly code: 'ERR_TOKEN_MISSING'

  constructor(requiredScopes: readonly string[] = [], reason?: Reason) {
    super('ERR_TOKEN_MISSING', { scopes: requiredScopes, reason })
  }
}

/** The request is malformed: its credentials cannot be read, or there is more than one (RFC 6750 §3.1). */
export class InvalidRequestError extends TelnyxAuthError {
  static {
    nameRefusals(InvalidRequestError, 'InvalidRequestError')
  }

  declare readonly code: InvalidRequestCode

  constructor(code: InvalidRequestCode, reason?: Reason) {
    super(code, { reason })
  }

  /** Nothing that another token would change. */
  protected override get challenge(): ChallengeParameters {
    const { error, errorDescription } = super.challenge
    return { error, errorDescription }
  }
}

/** The access token is not acceptable here, for the reason that `code` gives (RFC 6750 §3.1). */
export class InvalidTokenError extends TelnyxAuthError {
  static {
    nameRefusals(InvalidTokenError, 'InvalidTokenError')
  }

  declare readonly code: InvalidTokenCode
  /** The name of the claim that is at fault, where it is one. */
  declare readonly claim?: string

  constructor(code: InvalidTokenCode, detail: { claim?: string; message?: string; reason?: Reason } = {}) {
    const claim = ownMember(detail, 'claim')
    const message = ownMember(detail, 'message') ?? responseParts[code].description
    super(code, {
      message: claim === undefined ? message : `${message}: "${claim}"`,
      reason: ownMember(detail, 'reason'),
    })
    if (claim !== undefined) this.claim = claim
  }
}

/** The access token is good but does not carry the scopes that the operation needs (RFC 6750 §3.1). */
export class InsufficientScopeError extends TelnyxAuthError {
  static {
    nameRefusals(InsufficientScopeError, 'InsufficientScopeError')
  }

  declare readonly code: 'ERR_SCOPE_INSUFFICIENT'

  constructor(requiredScopes: readonly string[]) {
    super('ERR_SCOPE_INSUFFICIENT', { scopes: requiredScopes, reason: 'scope-missing' })
  }
}

/** The operation needs a stronger or more recent authentication of the user (RFC 9470 §3). */
export class InsufficientAuthenticationError extends TelnyxAuthError {
  static {
    nameRefusals(InsufficientAuthenticationError, 'InsufficientAuthenticationError')
  }

  declare readonly code: 'ERR_AUTHENTICATION_INSUFFICIENT'
  /** The authentication context classes (`acr`) of which the operation needs one; empty when any will do. */
  readonly acrValues: readonly string[]
  /** How long ago the user may have authenticated, in seconds; `undefined` when it does not matter. */
  readonly maxAgeSeconds: number | undefined

  constructor(
    needed: {
      acrValues?: readonly string[]
      maxAgeSeconds?: number | undefined
      reason?: Reason
    } = {},
  ) {
    const { acrValues, maxAgeSeconds, reason } = ownMembers(needed)
    super('ERR_AUTHENTICATION_INSUFFICIENT', { reason })
    this.acrValues = listOfStrings(acrValues)
    this.maxAgeSeconds =
      Number.isSafeInteger(maxAgeSeconds) && Number(maxAgeSeconds) >= 0 ? maxAgeSeconds : undefined
  }

  protected override get challenge(): ChallengeParameters {
    return { ...super.challenge, acrValues: this.acrValues, maxAgeSeconds: this.maxAgeSeconds }
  }
}

/**
 * Whether the token is good cannot be decided, because the authorization server cannot be asked. `cause`
 * says why.
 */
export class UnavailableError extends TelnyxAuthError {
  static {
    nameRefusals(UnavailableError, 'UnavailableError')
  }

  declare readonly code: UnavailableCode
  /** After how many seconds it is worth asking again (RFC 9110 §10.2.3). */
  readonly retryAfterSeconds: number

  constructor(
    code: UnavailableCode,
    detail: { retryAfterSeconds: number; cause?: unknown; reason?: Reason },
  ) {
    const { cause, reason, retryAfterSeconds } = ownMembers(detail)
    super(code, { cause, reason })
    // Always a whole number, because it becomes a header.
    const seconds = Math.ceil(Number(retryAfterSeconds))
    this.retryAfterSeconds = seconds >= 0 && Number.isSafeInteger(seconds) ? seconds : 1
  }

  protected override createHeaders(): Record<string, string> {
    return { 'Retry-After': String(this.retryAfterSeconds), ...NOT_STORED }
  }
}

/** A mistake in the program or its configuration, never the fault of a request. Thrown when a verifier is made. */
export class ConfigurationError extends TelnyxAuthError {
  static {
    nameErrors(ConfigurationError, 'ConfigurationError')
  }

  declare readonly code: 'ERR_CONFIGURATION'

  constructor(message?: string) {
    super('ERR_CONFIGURATION', { message })
  }
}

/** An answer as plain data, for any framework to write. */
export interface ErrorResponse {
  readonly status: number
  readonly headers: Record<string, string>
  /** To be sent as JSON. */
  readonly body: {
    /** The RFC 6750 error code; absent when the request carried no credentials. */
    readonly error?: string
    readonly error_description?: string
    /** The code of the error. */
    readonly code: ErrorCode
  }
}

/** Ours, and not what others derive from them, by the RFC 6750 error code of their answers. */
const CLASSES: readonly (readonly [string | undefined, { readonly prototype: TelnyxAuthError }])[] = [
  ['invalid_request', InvalidRequestError],
  ['invalid_token', InvalidTokenError],
  ['insufficient_scope', InsufficientScopeError],
  ['insufficient_user_authentication', InsufficientAuthenticationError],
  ['temporarily_unavailable', UnavailableError],
]

/** The class of the errors with a code; `undefined` for a code that only another version of this package has. */
function prototypeOf(code: ErrorCode): TelnyxAuthError | undefined {
  if (code === 'ERR_TOKEN_MISSING') return MissingTokenError.prototype
  if (code === 'ERR_CONFIGURATION') return ConfigurationError.prototype
  const error = Object.hasOwn(responseParts, code) ? responseParts[code].error : undefined
  return CLASSES.find(([name]) => name === error)?.[1].prototype
}

/**
 * Whether a value is an error of this library, also of another copy of the package in the same process, for which `instanceof`
 * is false. Objects that look like one, such as parsed JSON, are not.
 */
export function isTelnyxAuthError(value: unknown): value is TelnyxAuthError {
  try {
    return value instanceof TelnyxAuthError || isErrorOfAnotherCopy(value)
  } catch {
    // A proxy can make any of these questions throw.
    return false
  }
}

function isErrorOfAnotherCopy(value: unknown): boolean {
  if (
    typeof value !== 'object' ||
    value === null ||
    Object.prototype.toString.call(value) !== '[object Error]'
  )
    return false
  return (
    typeof Reflect.get(value, BRAND) === 'function' &&
    /^ERR_[A-Z_]+$/.test(String(Reflect.get(value, 'code'))) &&
    isStatusOfError(Reflect.get(value, 'status'))
  )
}

function isStatusOfError(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600
}

/**
 * An error of ours that is of no other class than ours, copied: a `validate` may throw the same one every time, frozen or not,
 * and each request gets its own. One of another copy of this package becomes one of this copy. Classes that others derive
 * from ours may have private members, and would lose them: `undefined` for those.
 */
export function copyOfError(error: TelnyxAuthError): TelnyxAuthError | undefined {
  const prototype: unknown = Object.getPrototypeOf(error)
  const ours = prototypeOf(error.code)
  const isDerived = !Object.hasOwn(Object.getPrototypeOf(prototype) ?? {}, BRAND)
  if (!ours || isDerived) return undefined
  // A real error: newer versions of V8 give others no stack.
  const copy: TelnyxAuthError = Object.setPrototypeOf(new Error(), ours)
  for (const name of Reflect.ownKeys(error)) {
    const value: unknown = Reflect.get(error, name)
    const enumerable = Object.prototype.propertyIsEnumerable.call(error, name)
    Object.defineProperty(copy, name, { value, enumerable, writable: true, configurable: true })
  }
  const { answer, scopes, added } = isOfThisCopy(error)
    ? stateOf(error)
    : { answer: answerOf(error), scopes: listOfStrings(error.requiredScopes), added: undefined }
  Object.assign(stateOf(copy), { answer, scopes, added })
  return copy
}

/** Not a type guard: errors of another copy have the same type. */
function isOfThisCopy(error: TelnyxAuthError): boolean {
  return error instanceof TelnyxAuthError
}

function answerOf(error: TelnyxAuthError): ResponseParts {
  if (isOfThisCopy(error)) return stateOf(error).answer
  if (Object.hasOwn(responseParts, error.code)) return responseParts[error.code]
  // A newer copy has codes that are unknown here; it answers for them.
  const ask: unknown = Reflect.get(error, BRAND)
  const said: Record<string, unknown> = ownMembers(
    typeof ask === 'function' ? Reflect.apply(ask, error, []) : {},
  )
  const { status } = error
  return {
    // Asked once more, an accessor may say something else.
    status: isStatusOfError(status) ? status : 500,
    error: typeof said.error === 'string' ? said.error : undefined,
    description: String(said.description),
  }
}

/**
 * The answer to a request that failed with `error` (RFC 6750 §3): status, headers and a JSON body, plain data. Errors of
 * another copy of this package are answered as that one would.
 *
 * @throws `error` itself when it is anything but a {@link TelnyxAuthError}, and when it is a
 *   {@link ConfigurationError}: a programming error is not to be answered as if the caller had made it.
 */
export function toResponse(error: unknown): ErrorResponse {
  if (!isTelnyxAuthError(error) || error.code === 'ERR_CONFIGURATION') throw error
  const { status, error: name, description } = answerOf(error)
  const headers = isOfThisCopy(error) ? TelnyxAuthError.headersToAnswer(error) : error.headers
  return {
    status,
    headers: { ...onlyWritable(headers), 'Content-Type': 'application/json' },
    body: name ? { error: name, error_description: description, code: error.code } : { code: error.code },
  }
}
