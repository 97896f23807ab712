import { ConfigurationError } from '@telnyx-auth/core'

/** A JSON-RPC message, unchecked: the caller wrote it. */
export type JsonRpcMessage = Readonly<Record<string, unknown>>

/** Scopes by the name of what needs them. */
export type ScopesByName = Readonly<Record<string, readonly string[]>>

/**
 * The scopes that single operations need, beside those of the endpoint.
 *
 * - Scopes by the names of tools.
 * - The same for tools, prompts and resources (by URI).
 * - A function from a JSON-RPC message to the scopes that it needs. If it throws, nothing runs.
 *
 * @example
 * import type { ToolScopes } from '@telnyx-auth/mcp'
 *
 * const toolScopes: ToolScopes = { send_message: ['messaging.write'] }
 */
export type ToolScopes =
  | ScopesByName
  | {
      /** By the names of tools. */
      readonly tools?: ScopesByName | undefined
      /** By the names of prompts. */
      readonly prompts?: ScopesByName | undefined
      /** By the URIs of resources. */
      readonly resources?: ScopesByName | undefined
    }
  | ((message: JsonRpcMessage) => readonly string[] | undefined | Promise<readonly string[] | undefined>)

/** The scopes that a message needs. */
export type ScopesOf = (
  message: JsonRpcMessage,
) => readonly string[] | undefined | Promise<readonly string[] | undefined>

const KINDS = ['tools', 'prompts', 'resources'] as const

/** How an operation names what it is about. */
const OPERATIONS: Readonly<Record<string, { kind: (typeof KINDS)[number]; member: 'name' | 'uri' }>> = {
  'tools/call': { kind: 'tools', member: 'name' },
  'prompts/get': { kind: 'prompts', member: 'name' },
  'resources/read': { kind: 'resources', member: 'uri' },
  'resources/subscribe': { kind: 'resources', member: 'uri' },
}

/**
 * Checks and copies the option `toolScopes`.
 *
 * @throws {ConfigurationError}
 */
export function resolveToolScopes(option: unknown): ScopesOf | undefined {
  if (option === undefined) return undefined
  if (typeof option === 'function')
    return async (message) => checkScopes(await option(message), 'the function')
  if (!isRecord(option))
    throw new ConfigurationError('Option "toolScopes" must be an object with lists of scopes, or a function')
  const nested = KINDS.some((kind) => isRecord(option[kind]))
  const scopes: Record<string, unknown> = nested ? option : { tools: option }
  const unknown = Object.keys(scopes).find((name) => !KINDS.some((kind) => kind === name))
  if (unknown !== undefined)
    throw new ConfigurationError(
      `Option "toolScopes" has both lists of scopes and "tools", "prompts" or "resources": move "${unknown}" into "tools"`,
    )
  const maps = {
    tools: byName(scopes.tools, (name) => name),
    prompts: byName(scopes.prompts, (name) => name),
    resources: byName(scopes.resources, normalUri),
  }
  return (message) => {
    const { method, params } = message
    if (method === 'subscriptions/listen') return scopesOfSubscriptions(params, maps.resources)
    const operation =
      typeof method === 'string' && Object.hasOwn(OPERATIONS, method) ? OPERATIONS[method] : undefined
    const name = operation && isRecord(params) ? params[operation.member] : undefined
    if (!operation || typeof name !== 'string') return undefined
    return maps[operation.kind].get(operation.member === 'uri' ? (normalUri(name) ?? name) : name)
  }
}

/** A subscription names its resources in a list (MCP 2026-07-28). */
function scopesOfSubscriptions(
  params: unknown,
  resources: ReadonlyMap<string, readonly string[]>,
): readonly string[] | undefined {
  const notifications = isRecord(params) ? params.notifications : undefined
  const uris = isRecord(notifications) ? notifications.resourceSubscriptions : undefined
  if (!Array.isArray(uris)) return undefined
  return uris.flatMap((uri) => (typeof uri === 'string' ? (resources.get(normalUri(uri) ?? uri) ?? []) : []))
}

function byName(
  option: unknown,
  normal: (name: string) => string | undefined,
): ReadonlyMap<string, readonly string[]> {
  if (option === undefined) return new Map()
  if (!isRecord(option)) throw new ConfigurationError('Option "toolScopes" must have lists of scopes by name')
  return new Map(
    Object.entries(option).map(([name, scopes]) => {
      const key = normal(name)
      if (key === undefined)
        throw new ConfigurationError(`Option "toolScopes" has a resource that is no URI: "${name}"`)
      return [key, checkScopes(scopes, `"${name}"`) ?? []]
    }),
  )
}

/** The SDK parses a URI before it looks for its resource, so several spellings lead to the same one. */
function normalUri(uri: string): string | undefined {
  return URL.canParse(uri) ? new URL(uri).toString() : undefined
}

/** RFC 6749 §3.3: `scope-token`. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

export function isScopeList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((scope) => typeof scope === 'string' && SCOPE.test(scope))
}

function checkScopes(scopes: unknown, source: string): readonly string[] | undefined {
  if (scopes === undefined) return undefined
  if (!isScopeList(scopes))
    throw new ConfigurationError(
      `Option "toolScopes" must have an array of scopes for ${source}, each without white space and quotes`,
    )
  return [...scopes]
}

/** Whether a value is an object, and no array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
