import { ownMember } from '../base/own-members.js'
import { resumeStackTraces, suspendStackTraces } from '../base/stack-trace.js'
import { type ChallengeParameters, type DpopChallenge, formatChallenges } from './challenge.js'
import { type ErrorCode, type ResponseParts, responseParts } from './error-codes.js'
import { hints, type Reason } from './reasons.js'
import { onlyWritable } from './writable-headers.js'

/**
 * What marks the errors of every copy of this package in a process: `instanceof` knows those of its own copy only. No text that
 * was parsed can hold a symbol, so nothing that a caller sends can pass for an error.
 */
export const BRAND: unique symbol = Symbol.for('@telnyx-auth/core.error')

/** Gives a class the name that its errors have: minifiers change the names of classes. */
export function nameErrors({ prototype }: { readonly prototype: TelnyxAuthError }, name: string): void {
  Object.defineProperty(prototype, 'name', { value: name, writable: true, configurable: true })
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
    const limit = isExpected ? suspendStackTraces() : 0
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
    const { dpop, isDpop } = stateOf(this)
    return { 'WWW-Authenticate': formatChallenges(this.challenge, dpop, isDpop), ...NOT_STORED }
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
export const NOT_STORED: Readonly<Record<string, string>> = { 'Cache-Control': 'no-store' }

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
  /** What challenges say about DPoP, where the verifier accepts it. */
  dpop: DpopChallenge | undefined
  /** Whether the token was presented with the scheme `DPoP`. */
  isDpop: boolean
}

/** With every member: one that is left out would be looked up in `Object.prototype`, which can be polluted. */
function stateOfNew(code: ErrorCode, scopes: readonly string[]): State {
  // An object that only has the prototype of an error can have any code.
  const answer = Object.hasOwn(responseParts, code) ? responseParts[code] : responseParts.ERR_CONFIGURATION
  return {
    answer,
    scopes,
    headers: undefined,
    added: undefined,
    hasChallengeContext: false,
    dpop: undefined,
    isDpop: false,
  }
}

/**
 * Notes whether the refused token was presented with the scheme `DPoP`: the challenge of this scheme then says why. Said of each
 * request again: one error may refuse several.
 */
export function presentedAsDpop(error: unknown, isDpop = true): void {
  if (!(error instanceof TelnyxAuthError)) return
  const state = stateOf(error)
  state.isDpop = isDpop
  state.headers = undefined
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
export function listOfStrings(values: unknown): readonly string[] {
  if (!Array.isArray(values)) return NO_STRINGS
  const list: unknown[] = values
  return Object.freeze(list.filter((value) => typeof value === 'string'))
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

export function isStatusOfError(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600
}

/** Not a type guard: errors of another copy have the same type. */
export function isOfThisCopy(error: TelnyxAuthError): boolean {
  return error instanceof TelnyxAuthError
}
