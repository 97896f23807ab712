import { systemClock } from '../base/clock.js'
import { ownMember, ownMembers } from '../base/own-members.js'
import { otherSpellingOfHost } from '../base/url.js'
import { isVerifierOfAnotherCopy, TokenVerifier, type Verifier } from '../create-verifier.js'
import { checkNames, describe, isPlainObject } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'
import type { ResolvedIssuer } from '../issuer/trusted-issuer.js'
import { CompiledPolicy, type Policy } from '../policy/policy.js'
import type { GetToken } from '../request/get-token.js'
import type { AuthenticatableRequest, NodeRequest } from '../request/request-headers.js'
import { audienceAsIdentifier, type ProtectedResourceMetadata } from '../resource/protected-resource.js'
import {
  checkProtectedResource,
  type ProtectedResourceOptions,
} from '../resource/protected-resource-options.js'
import type { JwtClaims } from '../token/claims.js'
import {
  type ResolvedOptions,
  resolveOptions,
  VERIFIER_OPTIONS,
  type VerifierOptions,
} from '../verifier-options.js'

/** How an adapter behaves, independent of the verifier. */
export interface AdapterBehaviour {
  /**
   * Whether requests without a token pass, as anonymous. A bad token is refused in any case.
   *
   * @default false
   */
  readonly optional?: boolean | undefined
  /**
   * `'respond'`: the adapter answers errors in JSON. `'throw'`: it hands them to the error handling of the framework, with
   * `status`, `statusCode`, `expose` and `headers`.
   *
   * @default 'respond'
   */
  readonly errors?: 'respond' | 'throw' | undefined
}

/** A verifier that was created elsewhere, with a default policy for these routes. */
export interface SharedVerifier<Claims extends object = JwtClaims> extends Policy<Claims> {
  /** A verifier of any claims: frameworks that infer type parameters from options would infer the wrong ones. */
  readonly verifier: Verifier<object>
  /**
   * How this API describes itself to clients (RFC 9728), or `false` for no description.
   *
   * @default the option of the verifier
   */
  readonly protectedResource?: ProtectedResourceOptions | false | undefined
}

/**
 * The options of an adapter: a verifier or the options of one, and how the adapter behaves.
 *
 * @typeParam Claims the claims that the issuer's tokens carry
 * @typeParam Request what `getToken` is given
 * @example
 * ```ts
 * import type { AdapterOptions } from '@telnyx-auth/core/adapter'
 *
 * const options: AdapterOptions = { audience: 'https://api.example.com', optional: true }
 * ```
 */
export type AdapterOptions<
  Claims extends object = JwtClaims,
  Request extends AuthenticatableRequest = NodeRequest,
> = AdapterBehaviour &
  (
    | SharedVerifier<Claims>
    | (Omit<VerifierOptions<Claims>, 'getToken'> & {
        /** Absent: the options are those of a verifier for this adapter alone. */
        readonly verifier?: undefined
        /** Where else a request has its access token; see `VerifierOptions`. */
        readonly getToken?: GetToken<Request> | undefined
      })
  )

/**
 * The options that only one adapter has, by name: `'switch'` is true or false, `'property'` the name of a property, or false
 * for none.
 *
 * @example
 * ```ts
 * import type { OwnOptions } from '@telnyx-auth/core/adapter'
 *
 * const ownOptions: OwnOptions = { global: 'switch', decorator: 'property' } // as in Fastify
 * ```
 */
export type OwnOptions = Readonly<Record<string, 'switch' | 'property'>>

/** How an adapter differs from the others. */
export interface AuthenticatorTraits {
  /**
   * Whether an audience without a path is accepted with and without a slash at its end, `https://mcp.example.com` and
   * `https://mcp.example.com/`: both are the same URL (RFC 3986 §6.2.3), and clients that parse it add the slash.
   *
   * @default false
   */
  readonly slashAfterHost?: boolean | undefined
  /**
   * Whether the audience may also identify the protected resource where it is an `http` URL on a loopback host, for development.
   *
   * @default false
   */
  readonly loopbackResource?: boolean | undefined
}

/** The values of an adapter's own options, by name; options that were not given are absent. */
export type OwnOptionValues = Readonly<Record<string, string | boolean>>

/** Options that were checked and copied, with defaults filled in. */
export interface ResolvedAuthenticatorOptions {
  readonly verifier: TokenVerifier
  /** What every token must satisfy. */
  readonly policy: CompiledPolicy
  readonly resource: ProtectedResourceMetadata | undefined
  readonly optional: boolean
  readonly throws: boolean
  readonly own: OwnOptionValues
}

const BEHAVIOUR = ['optional', 'errors'] as const satisfies (keyof AdapterBehaviour)[]

/** Ends messages about two copies of this package. */
export const ONE_COPY = 'Install one only: npm ls @telnyx-auth/core shows where they are'

/**
 * Checks the options of `telnyxAuth()`.
 *
 * @param ownOptions the options that only this adapter has
 * @throws {ConfigurationError} for any option that is missing, contradictory, unknown or of the wrong type
 */
export function resolveAuthenticatorOptions(
  options: unknown,
  ownOptions: OwnOptions,
  traits: AuthenticatorTraits,
): ResolvedAuthenticatorOptions {
  if (isRequest(options))
    throw new ConfigurationError(
      'telnyxAuth was given a request in place of options: call it, as in app.use(telnyxAuth())',
    )
  const names = [...Object.keys(ownOptions), ...BEHAVIOUR, 'verifier', ...VERIFIER_OPTIONS]
  const given = checkNames(options === undefined ? {} : options, names, 'option')
  const own = checkOwnOptions(given, ownOptions)
  const { verifier, optional, errors = 'respond', ...others } = given
  if (optional !== undefined && typeof optional !== 'boolean')
    throw new ConfigurationError(`Option "optional" must be true or false, not ${describe(optional)}`)
  if (errors !== 'respond' && errors !== 'throw')
    throw new ConfigurationError(`Option "errors" must be "respond" or "throw", not ${describe(errors)}`)
  const rest = ownMembers(
    Object.fromEntries(Object.entries(others).filter(([name]) => !Object.hasOwn(ownOptions, name))),
  )
  const protection = verifier === undefined ? protect(rest, traits) : share(verifier, rest)
  return { ...protection, optional: optional === true, throws: errors === 'throw', own }
}

type Protection = Pick<ResolvedAuthenticatorOptions, 'verifier' | 'policy' | 'resource'>

/** A verifier for this adapter alone: its default policy and its resource are those of the adapter. */
function protect(options: unknown, traits: AuthenticatorTraits): Protection {
  let resolved = resolveOptions(options, process.env)
  if (ownMember(traits, 'loopbackResource') === true) resolved = withAudienceAsResource(resolved)
  if (ownMember(traits, 'slashAfterHost') === true) resolved = withSlashAfterHost(resolved)
  const verifier = new TokenVerifier(resolved, systemClock)
  return { verifier, policy: verifier.compile(undefined), resource: verifier.protectedResourceMetadata() }
}

function withAudienceAsResource(options: ResolvedOptions): ResolvedOptions {
  const { protectedResource: checked, issuers } = options
  const resource = audienceAsIdentifier(issuers.map(({ rules }) => rules))
  if (checked === false || checked?.resource !== undefined || resource === undefined) return options
  return {
    ...options,
    protectedResource: { scopes: checked?.scopes, members: checked?.members ?? {}, resource },
  }
}

function withSlashAfterHost(options: ResolvedOptions): ResolvedOptions {
  const [first, ...others] = options.issuers
  const widened = (issuer: ResolvedIssuer): ResolvedIssuer => {
    const { rules } = issuer
    return { ...issuer, rules: { ...rules, audience: rules.audience && withSlashes(rules.audience) } }
  }
  return { ...options, issuers: [widened(first), ...others.map(widened)] }
}

/** Each audience as it was given comes first: it may become the identifier of the resource. */
function withSlashes(audiences: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...audiences].flatMap((audience) => [audience, otherSpellingOfHost(audience) ?? audience]))
}

/** A verifier that was created elsewhere, with what this adapter demands beyond it. */
function share(verifier: unknown, options: Record<string, unknown>): Protection {
  if (isVerifierOfAnotherCopy(verifier))
    throw new ConfigurationError(
      `Option "verifier" was made by another copy of @telnyx-auth/core than this adapter uses. ${ONE_COPY}`,
    )
  if (!(verifier instanceof TokenVerifier))
    throw new ConfigurationError(
      `Option "verifier" must be what createVerifier() of the same @telnyx-auth/core returned, not ${describe(verifier)}`,
    )
  const { protectedResource, ...members } = options
  const said = Object.keys(members).filter((name) => members[name] !== undefined)
  const excluded = said.find((name) => !CompiledPolicy.MEMBERS.includes(name))
  if (excluded !== undefined)
    throw new ConfigurationError(
      `Options "verifier" and "${excluded}" exclude each other: what a verifier checks is said where it is made`,
    )
  const defaults = verifier.compile(undefined)
  const policy =
    said.length === 0 ? defaults : verifier.supporting(CompiledPolicy.fromMembers(members, defaults))
  const isTheVerifiers = said.length === 0 && protectedResource === undefined
  const resource = isTheVerifiers
    ? verifier.protectedResourceMetadata()
    : verifier.describeResource(policy, checkProtectedResource(protectedResource))
  return { verifier, policy, resource }
}

function checkOwnOptions(given: Readonly<Record<string, unknown>>, ownOptions: OwnOptions): OwnOptionValues {
  const own: Record<string, string | boolean> = Object.create(null)
  for (const [name, kind] of Object.entries(ownOptions)) {
    const value = given[name]
    if (value === undefined) continue
    const { accepts, words } = KINDS[kind]
    if (!accepts(value))
      throw new ConfigurationError(`Option "${name}" must be ${words}, not ${describe(value)}`)
    own[name] = value
  }
  return own
}

const KINDS: Readonly<
  Record<OwnOptions[string], { readonly words: string; accepts(value: unknown): value is string | boolean }>
> = {
  switch: {
    words: 'true or false',
    accepts: (value): value is boolean => typeof value === 'boolean',
  },
  property: {
    words: 'the name of a property, or false for none',
    accepts: (value): value is string | false => value === false || isPropertyName(value),
  },
}

function isPropertyName(name: unknown): name is string {
  return typeof name === 'string' && /^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__'
}

/** Whether a framework has called a function that creates middleware as if it were middleware. */
export function isRequest(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || isPlainObject(value)) return false
  // Hono passes a context, which has the request in `req`.
  return 'headers' in value || 'req' in value
}
