import {
  type AuthenticatableRequest,
  ConfigurationError,
  type JwtClaims,
  type NodeRequest,
} from '@telnyx-auth/core'
import type { AdapterOptions } from '@telnyx-auth/core/adapter'
import type { CorsOption } from './cors.js'
import { isRecord, isScopeList, resolveToolScopes, type ScopesOf, type ToolScopes } from './tool-scopes.js'

/** What an MCP endpoint has beside the options of `telnyxAuth()`. */
export interface McpEndpointOptions {
  /**
   * The path of the endpoint in this application, if it is another one than outside: `'/mcp'`. If it is wrong, the endpoint is open.
   *
   * @default the path of the resource
   */
  readonly path?: string | undefined
  /**
   * The scopes that single tools, prompts and resources need beside those of the endpoint. A call without them is answered with
   * 403 before the tool runs, and the challenge names all scopes that it needs.
   *
   * @default none
   */
  readonly toolScopes?: ToolScopes | undefined
  /**
   * The scopes that the challenge of a 401 names. Clients register with them, and some issuers let a client never ask for more.
   *
   * @default the option `scopes`
   */
  readonly initialScopes?: readonly string[] | undefined
  /**
   * The largest body that is read for `toolScopes`, in bytes, 1 to 67108864. A larger one is answered with 413.
   *
   * @default 4194304
   */
  readonly maxBodyBytes?: number | undefined
  /**
   * Which scripts of other origins may use the endpoint: `'*'` for all, or a list of origins. Preflight requests are then
   * answered without a token. `false`: none, and a preflight request is refused like every request without a token.
   *
   * @default '*'
   */
  readonly cors?: CorsOption | undefined
  /**
   * Whether the metadata of the issuer (RFC 8414) are also served here, at `/.well-known/oauth-authorization-server`: where clients of
   * MCP 2025-03-26 look for them. With several issuers, those of the first. With the option `jwks`, `jwksUri` or `metadata`, `metadata`
   * must be a whole document.
   *
   * @default false
   */
  readonly authorizationServer?: boolean | undefined
}

/**
 * The options of `mcpAuth()`: those of `telnyxAuth()`, and those of an MCP endpoint.
 *
 * @example
 * import { mcpAuth } from '@telnyx-auth/mcp/express'
 *
 * mcpAuth({ audience: 'https://api.example.com/mcp', toolScopes: { send_message: ['messaging.write'] } })
 */
export type McpAuthOptions<
  Claims extends object = JwtClaims,
  Request extends AuthenticatableRequest = NodeRequest,
> = AdapterOptions<Claims, Request> & McpEndpointOptions

/** The options of an endpoint, checked and copied, with defaults. */
export interface ResolvedEndpoint {
  readonly path: string | undefined
  readonly scopesOf: ScopesOf | undefined
  readonly initialScopes: readonly string[] | undefined
  readonly maxBodyBytes: number
  readonly cors: CorsOption
  readonly authorizationServer: boolean
}

const MAX_BODY_BYTES = 4 * 1024 * 1024

/**
 * Checks the options of an endpoint, and separates them from those of the authenticator.
 *
 * @throws {ConfigurationError}
 */
export function resolveEndpoint(options: unknown): { endpoint: ResolvedEndpoint; others: unknown } {
  if (options === undefined) return { endpoint: resolve(Object.create(null)), others: undefined }
  // What is no object of options is refused by core, with a message that names the mistake.
  if (!isRecord(options)) return { endpoint: resolve(Object.create(null)), others: options }
  // Without a prototype: a member that is left out must not come from a polluted `Object.prototype`.
  const own: Record<string, unknown> = Object.assign(Object.create(null), options)
  const { path, toolScopes, initialScopes, maxBodyBytes, cors, authorizationServer, ...others } = own
  return { endpoint: resolve(own), others }
}

function resolve(given: Readonly<Partial<Record<keyof McpEndpointOptions, unknown>>>): ResolvedEndpoint {
  const {
    path,
    toolScopes,
    initialScopes,
    maxBodyBytes = MAX_BODY_BYTES,
    cors = '*',
    authorizationServer = false,
  } = given
  if (path !== undefined && !isPath(path))
    throw new ConfigurationError(
      'Option "path" must be a path that begins with a slash, such as "/mcp": without wildcards, parameters and dot segments',
    )
  if (initialScopes !== undefined && !isScopeList(initialScopes))
    throw new ConfigurationError('Option "initialScopes" must be an array of scopes')
  if (
    !(
      typeof maxBodyBytes === 'number' &&
      Number.isInteger(maxBodyBytes) &&
      maxBodyBytes >= 1 &&
      maxBodyBytes <= 2 ** 26
    )
  )
    throw new ConfigurationError('Option "maxBodyBytes" must be a whole number from 1 to 67108864')
  if (!isCors(cors))
    throw new ConfigurationError(
      'Option "cors" must be "*", false, or an array of origins, such as "https://app.example.com"',
    )
  if (typeof authorizationServer !== 'boolean')
    throw new ConfigurationError('Option "authorizationServer" must be true or false')
  return {
    path,
    authorizationServer,
    scopesOf: resolveToolScopes(toolScopes),
    initialScopes: initialScopes && [...initialScopes],
    maxBodyBytes,
    cors: Array.isArray(cors) ? [...cors] : cors,
  }
}

/** A pattern would be compared as it is written, and never be the path of a request. */
function isPath(value: unknown): value is string {
  return (
    typeof value === 'string' && /^\/[^\s?#:*{}()\\]*$/.test(value) && !/\/(?:\.{0,2}\/|\.{1,2}$)/.test(value)
  )
}

function isCors(value: unknown): value is CorsOption {
  return value === '*' || value === false || (Array.isArray(value) && value.every(isOrigin))
}

/** Also of browser extensions and desktop applications, whose schemes `URL` does not know. */
function isOrigin(value: unknown): boolean {
  if (typeof value !== 'string' || !/^[a-z][a-z\d+.-]*:\/\/[^\s/?#,*]+$/.test(value)) return false
  return !/^https?:/.test(value) || (URL.canParse(value) && new URL(value).origin === value)
}
