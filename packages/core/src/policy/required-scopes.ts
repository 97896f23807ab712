/**
 * All the scopes of several policies, each once, in the order of the policies: what a challenge tells the client to ask
 * for (RFC 6750 §3).
 *
 * @example
 * ```ts
 * unionOfScopes([['read'], ['write', 'read']]) // ['read', 'write']
 * ```
 */
export function unionOfScopes(lists: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(lists.flat())]
}
