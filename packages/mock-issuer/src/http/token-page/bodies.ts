import * as v from 'valibot'
import { SCOPE_TOKEN } from '../../protocol/client-members.js'
import { ENDPOINTS, type Endpoint } from '../../protocol/endpoints.js'
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../state/signing-keys.js'
import { readJsonObject } from '../request-body.js'
import { FAULT_KINDS, type FaultKind } from './fault-kinds.js'
import { PageRefusal } from './guard.js'

/** What the form asks for. An empty text means: none. */
export interface TokenRequest {
  readonly clientId: string
  readonly subject: string
  readonly scopes: readonly string[]
  readonly audience: string
  readonly expiresInSeconds: number
  readonly algorithm: SigningAlgorithm
}

/** A token with what the API under test expects. */
export interface TokenCheck {
  readonly token: string
  readonly audience: string
  readonly apiUrl: string
}

/** A fault to switch on. */
export interface FaultRequest {
  readonly endpoint: Endpoint
  readonly kind: FaultKind
  /** The number of requests that meet it; 0 for all. */
  readonly times: number
}

type Text = v.GenericSchema<string>

const text = (what: string, max: number): Text => {
  const message = `${what} must be a text of at most ${max} characters`
  return v.pipe(v.string(message), v.maxLength(max, message))
}

const wholeNumber = (what: string, min: number, max: number): v.GenericSchema<number> => {
  const message = `${what} must be a whole number from ${min} to ${max}`
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message))
}

const oneOf = <T extends string>(what: string, values: readonly T[]): v.GenericSchema<T> =>
  v.picklist(values, `${what} must be one of ${values.join(', ')}`)

/** The longest token that the page looks at: longer than any that a verifier accepts by default. */
const MAX_TOKEN = 32 * 1024
const TEN_YEARS = 10 * 366 * 24 * 3600
const isKind = (value: unknown): value is FaultKind =>
  typeof value === 'string' && Object.hasOwn(FAULT_KINDS, value)

/** For members that are missing or not known. */
const OTHER = 'The request is not one that this page sends'
const SCOPES = 'The scopes must be a list of at most 100 scopes'

const token = text('The token', MAX_TOKEN)
const endpoint = oneOf('The endpoint', ENDPOINTS)

export const tokenRequest: v.GenericSchema<TokenRequest> = v.strictObject(
  {
    clientId: text('The client', 2000),
    subject: text('The subject', 1000),
    scopes: v.pipe(
      v.array(v.pipe(v.string(SCOPES), v.regex(new RegExp(`^${SCOPE_TOKEN}$`), SCOPES)), SCOPES),
      v.maxLength(100, SCOPES),
    ),
    audience: text('The audience', 2000),
    expiresInSeconds: wholeNumber('The lifetime', -TEN_YEARS, TEN_YEARS),
    algorithm: oneOf('The algorithm', SIGNING_ALGORITHMS),
  },
  OTHER,
)

export const tokenCheck: v.GenericSchema<TokenCheck> = v.strictObject(
  {
    token,
    audience: text('The audience', 2000),
    apiUrl: text('The URL of your API', 2000),
  },
  OTHER,
)

export const revocation: v.GenericSchema<{ readonly token: string }> = v.strictObject({ token }, OTHER)

export const rotation: v.GenericSchema<{ readonly keepOld: boolean }> = v.strictObject(
  {
    keepOld: v.boolean('The choice to keep older keys must be true or false'),
  },
  OTHER,
)

export const faultRequest: v.GenericSchema<FaultRequest> = v.strictObject(
  {
    endpoint,
    kind: v.custom<FaultKind>(isKind, 'The fault must be one that this page offers'),
    times: wholeNumber('The number of requests', 0, 1_000_000),
  },
  OTHER,
)

export const faultRemoval: v.GenericSchema<{ readonly endpoint?: Endpoint | undefined }> = v.strictObject(
  {
    endpoint: v.optional(endpoint),
  },
  OTHER,
)

/**
 * Reads the body of a request of the page.
 *
 * @throws {PageRefusal} 400
 * @throws {OAuthError} for a body that is too long, or no JSON object
 */
export async function readBody<T>(request: Request, schema: v.GenericSchema<T>): Promise<T> {
  const result = v.safeParse(schema, await readJsonObject(request, 400))
  if (result.success) return result.output
  // All sentences are ours: those of valibot repeat values.
  throw new PageRefusal(400, result.issues[0].message)
}
