import { NQCHARS } from '../base/syntax.js'
import { isSecureUrl } from '../base/url.js'
import { checkNames, checkWords, describe, isPlainObject, wrongKind } from '../errors/check-options.js'
import { ConfigurationError } from '../errors/errors.js'

/**
 * The metadata of this API as a protected resource, with which clients find its authorization server (RFC 9728 §2).
 *
 * @example
 * createVerifier({
 *   audience: 'https://api.example.com',
 *   protectedResource: { resourceName: 'Example API', resource_policy_uri: 'https://example.com/policy' },
 * })
 */
export interface ProtectedResourceOptions {
  /**
   * The identifier of this API as a resource (RFC 9728 §1.2): an `https` URL without fragment; `http` on loopback hosts only.
   *
   * @default the audience, if it is one such URL
   */
  readonly resource?: string | undefined
  /**
   * `scopes_supported`. A client whose challenge names no scope asks for all of these.
   *
   * @default the scopes of the default policy
   */
  readonly scopes?: readonly string[] | undefined
  /** `resource_name`: the name of this API for people. Default: none. */
  readonly resourceName?: string | undefined
  /** `resource_documentation`: the URL of a page for developers. Default: none. */
  readonly documentation?: string | undefined
  /** Further members of the document, under their own names, such as `resource_policy_uri`. */
  readonly [member: `${string}_${string}`]: unknown
}

/** The option `protectedResource`, checked and copied. */
export interface CheckedProtectedResource {
  readonly resource: string | undefined
  readonly scopes: readonly string[] | undefined
  readonly members: Readonly<Record<string, unknown>>
}

/** Members that are set by other options. */
const OWN_MEMBERS: readonly string[] = [
  'authorization_servers',
  'scopes_supported',
  'bearer_methods_supported',
  'resource_name',
  'resource_documentation',
  'dpop_signing_alg_values_supported',
]

/** Members that promise a check, which only the options `dpop` and `mtls` turn on (RFC 9728 §2). */
const BINDINGS: readonly string[] = [
  'dpop_bound_access_tokens_required',
  'tls_client_certificate_bound_access_tokens',
]

/**
 * Checks and copies the option `protectedResource`.
 *
 * @throws {ConfigurationError}
 */
export function checkProtectedResource(option: unknown): CheckedProtectedResource | false | undefined {
  if (option === undefined || option === false) return option
  if (!isPlainObject(option))
    throw wrongKind('protectedResource', 'a plain object, or false to have none', option)
  const { resource, scopes, resourceName, documentation, ...members } = checkNames(
    option,
    ['resource', 'scopes', 'resourceName', 'documentation'],
    'member of "protectedResource"',
    (name) => name.includes('_'),
  )
  if (resource !== undefined && !isResourceIdentifier(resource))
    throw wrongKind(
      'resource',
      'an https URL in its normal form, without fragment and credentials (http for loopback hosts only)',
      resource,
      'which this one is not',
    )
  if (resourceName !== undefined && (typeof resourceName !== 'string' || resourceName.trim() === ''))
    throw wrongKind('resourceName', 'a name', resourceName)
  if (documentation !== undefined && !(typeof documentation === 'string' && isWebPage(documentation)))
    throw wrongKind('documentation', 'the URL of a page', documentation, 'which this one is not')
  return {
    resource,
    scopes: scopes === undefined ? undefined : checkWords(scopes, 'scopes', 'scope'),
    members: {
      ...(resourceName !== undefined && { resource_name: resourceName }),
      ...(documentation !== undefined && { resource_documentation: documentation }),
      ...Object.fromEntries(
        Object.entries(members)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, checkMember(name, value)]),
      ),
    },
  }
}

/**
 * Whether a value can identify a resource (RFC 9728 §1.2). It must be safe in a quoted string, and in normal form, because clients
 * send it exactly as written.
 */
export function isResourceIdentifier(value: unknown): value is string {
  if (typeof value !== 'string' || !NQCHARS.test(value) || value.includes('#') || !isSecureUrl(value))
    return false
  const { pathname, search } = new URL(value)
  const [, written = ''] = /^[^/]+\/\/[^/?]+(.*)$/.exec(value) ?? []
  return [written, `/${written}`].includes(pathname + search)
}

function isWebPage(value: string): boolean {
  return /^https?:\/\/[^\s@]+$/i.test(value) && URL.canParse(value)
}

/** Checks that a further member has a JSON value that is not empty, and copies it. */
function checkMember(name: string, value: unknown): unknown {
  if (OWN_MEMBERS.includes(name))
    throw new ConfigurationError(`The member "${name}" of the protected resource is made from other options`)
  if (BINDINGS.includes(name) && value === true)
    throw new ConfigurationError(
      `The member "${name}" of the protected resource is true where the option "dpop" or "mtls" makes it so`,
    )
  const text = toJson(value)
  if (text === undefined || ['null', '""', '[]', '{}'].includes(text))
    throw new ConfigurationError(
      `The member "${name}" of the protected resource must be a JSON value that is not empty, not ${describe(value)}`,
    )
  return JSON.parse(text)
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}
