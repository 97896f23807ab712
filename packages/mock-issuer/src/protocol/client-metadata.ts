import * as v from 'valibot'
import type { ClientSeed, GrantType } from './client.js'
import {
  flag,
  grantType,
  links,
  listOf,
  name,
  redirectUri,
  SCOPE_TOKEN,
  scopeToken,
  text,
  webUrl,
} from './client-members.js'
import type { GrantSeed } from './grant.js'
import { invalidFields, memberMessage } from './invalid-fields.js'
import { type InvalidFields, OAuthError } from './refusals.js'
import { isResource } from './selection.js'

/** The members of RFC 7591 §2 that Telnyx documents, with defaults filled in; with DPoP, that of RFC 9449 §5.2 too. */
export interface Registration {
  readonly client_name?: string | undefined
  readonly redirect_uris?: string[] | undefined
  readonly grant_types: GrantType[]
  readonly response_types: 'code'[]
  readonly token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'client_secret_post'
  readonly scope?: string | undefined
  readonly dpop_bound_access_tokens?: boolean | undefined
  readonly logo_uri?: string | undefined
  readonly policy_uri?: string | undefined
  readonly tos_uri?: string | undefined
}

/** The members that the management operations can change. */
export interface ClientUpdate {
  readonly name?: string | undefined
  readonly allowed_scopes?: string[] | undefined
  readonly allowed_grant_types?: GrantType[] | undefined
  readonly redirect_uris?: string[] | undefined
  readonly require_pkce?: boolean | undefined
  readonly logo_uri?: string | undefined
  readonly policy_uri?: string | undefined
  readonly tos_uri?: string | undefined
}

/** The members from which the management operations create a client. */
export interface ClientCreation extends ClientUpdate {
  readonly name: string
  readonly allowed_scopes: string[]
  readonly allowed_grant_types: GrantType[]
  readonly client_type: 'public' | 'confidential'
}

const clientType = v.picklist(['public', 'confidential'], 'must be public or confidential')

/** RFC 7591 §2: members that a server does not understand are ignored. The output leaves them out. */
const registration = v.object({
  client_name: v.optional(name),
  redirect_uris: v.optional(listOf(redirectUri)),
  grant_types: v.optional(listOf(grantType), ['authorization_code']),
  response_types: v.optional(listOf(v.picklist(['code'], 'must be code')), ['code']),
  token_endpoint_auth_method: v.optional(
    v.picklist(
      ['none', 'client_secret_basic', 'client_secret_post'],
      'must be none, client_secret_basic or client_secret_post',
    ),
    'client_secret_basic',
  ),
  scope: v.optional(
    v.pipe(
      v.string('must be a string'),
      v.maxLength(10_000, 'is too long'),
      v.regex(new RegExp(`^(?:${SCOPE_TOKEN}(?: ${SCOPE_TOKEN})*)?$`), 'must be scopes and spaces'),
      // RFC 6749 §3.3: `scope` cannot be empty. Some clients join an empty list and mean no scope.
      v.transform((scope) => scope || undefined),
    ),
  ),
  ...links,
})

/** RFC 9449 §5.2 */
const registrationWithDpop = v.object({
  ...registration.entries,
  dpop_bound_access_tokens: v.optional(flag, false),
})

const changeable = {
  name,
  allowed_scopes: listOf(scopeToken),
  allowed_grant_types: listOf(grantType),
  redirect_uris: listOf(redirectUri),
  require_pkce: flag,
  ...links,
}

const update = v.partial(v.strictObject(changeable, memberMessage))

const creation = v.strictObject(
  {
    ...changeable,
    client_type: clientType,
    redirect_uris: v.optional(listOf(redirectUri)),
    require_pkce: v.optional(flag),
  },
  memberMessage,
)

const seed = v.strictObject(
  {
    clientId: v.optional(text),
    // More characters than RFC 6749 A.2 allows, so that tests can check how a client encodes them.
    clientSecret: v.optional(
      v.pipe(v.string('must be a string'), v.regex(/^\P{Cs}+$/u, 'must be text, and not empty')),
    ),
    clientType: v.optional(clientType),
    name: v.optional(name),
    grantTypes: v.optional(listOf(grantType)),
    scopes: v.optional(listOf(scopeToken)),
    redirectUris: v.optional(listOf(redirectUri)),
    requirePkce: v.optional(flag),
    dpopBoundAccessTokens: v.optional(flag),
    verified: v.optional(flag),
    logoUri: v.optional(webUrl),
    policyUri: v.optional(webUrl),
    tosUri: v.optional(webUrl),
  },
  memberMessage,
)

const grantSeed = v.strictObject(
  {
    id: v.optional(text),
    clientId: v.optional(text),
    subject: v.optional(text),
    scopes: v.optional(listOf(scopeToken)),
    resources: v.optional(
      listOf(v.pipe(text, v.check(isResource, 'must be an absolute URI without fragment'))),
    ),
  },
  memberMessage,
)

/**
 * Validates a registration (RFC 7591 §2).
 *
 * @param withDpop whether the issuer knows DPoP
 * @throws {OAuthError} `invalid_client_metadata` (RFC 7591 §3.2.2)
 */
export function parseRegistration(document: object, withDpop: boolean): Registration {
  const result = v.safeParse(withDpop ? registrationWithDpop : registration, document)
  if (result.success) return result.output
  throw new OAuthError(
    'invalid_client_metadata',
    'The client metadata are not valid',
    400,
    invalidFields(result.issues),
  )
}

/**
 * Validates the body of `createClient`.
 *
 * @throws {OAuthError} 422
 */
export function parseCreation(document: object): ClientCreation {
  const result = v.safeParse(creation, document)
  if (!result.success) throw unprocessable(invalidFields(result.issues))
  checkRedirectUris(result.output.allowed_grant_types, result.output.redirect_uris ?? [])
  return result.output
}

/**
 * Validates the body of `updateClient`.
 *
 * @throws {OAuthError} 422
 */
export function parseUpdate(document: object): ClientUpdate {
  const result = v.safeParse(update, document)
  if (result.success) return result.output
  throw unprocessable(invalidFields(result.issues))
}

/**
 * Codes are sent to redirect URIs, so a client that may use codes needs one.
 *
 * @throws {OAuthError} 422
 */
export function checkRedirectUris(grantTypes: readonly GrantType[], redirectUris: readonly string[]): void {
  if (grantTypes.includes('authorization_code') && redirectUris.length === 0)
    throw unprocessable({ redirect_uris: ['are needed for authorization_code'] })
}

/** Whether the value is an array of scopes (RFC 6749 §3.3). */
export function areScopes(values: unknown): boolean {
  return v.is(v.array(scopeToken), values)
}

/**
 * Validates a client of the option `clients`.
 *
 * @throws {TypeError}
 */
export function parseSeed(value: ClientSeed): ClientSeed {
  checkObject(value, 'client')
  const client = outputOrThrow(v.safeParse(seed, value), 'client')
  if (client.clientType === 'public' && client.clientSecret !== undefined)
    throw new TypeError('A public client has no "clientSecret"')
  return client
}

/**
 * Validates a grant of the option `grants`.
 *
 * @throws {TypeError}
 */
export function parseGrantSeed(value: GrantSeed): GrantSeed {
  checkObject(value, 'grant')
  return outputOrThrow(v.safeParse(grantSeed, value), 'grant')
}

function checkObject(value: object, what: string): void {
  // JavaScript and JSON files are not bound to the type.
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`A ${what} must be an object`)
}

/** @throws {TypeError} */
function outputOrThrow<T extends v.GenericSchema>(
  result: v.SafeParseResult<T>,
  what: string,
): v.InferOutput<T> {
  if (result.success) return result.output
  const [[member, [reason]] = [what, ['is not valid']]] = Object.entries(invalidFields(result.issues))
  throw new TypeError(`"${member}" of a ${what} ${reason}`)
}

function unprocessable(fields: InvalidFields): OAuthError {
  return new OAuthError('invalid_request', 'The client is not valid', 422, fields)
}
