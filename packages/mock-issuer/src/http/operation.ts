import type { Account } from '../protocol/client.js'
import type { Endpoint } from '../protocol/endpoints.js'
import type { AccessTokens } from '../state/access-tokens.js'
import type { Authorization } from '../state/authorization.js'
import type { Clients } from '../state/clients.js'
import type { Grants } from '../state/grants.js'

/** What the operations need of the issuer. */
export interface IssuerState {
  /** The identifier, as it is now. */
  issuer(): string
  readonly scopes: readonly string[]
  readonly apiKey: string
  readonly account: Account
  readonly clients: Clients
  readonly grants: Grants
  readonly authorization: Authorization
  readonly tokens: AccessTokens
}

export interface Call {
  readonly request: Request
  readonly query: URLSearchParams
  /** The identifier in the path; empty where the path has none. */
  readonly id: string
}

/** An operation of the API: where it is, and what it does. */
export interface Operation {
  readonly endpoint: Endpoint
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** All its spellings; `:id` stands for an identifier. */
  readonly paths: readonly string[]
  /**
   * Whether clients that run in a browser may read the answer from a page on this machine.
   *
   * @default false
   */
  readonly crossOrigin?: true
  /** @throws {OAuthError | AuthorizationPageError} */
  readonly work: (call: Call) => Promise<Response> | Response
}

/** JSON that no cache keeps (RFC 6749 §5.1). */
export function json(body: object, status = 200): Response {
  return Response.json(body, { status, headers: { 'Cache-Control': 'no-store', Pragma: 'no-cache' } })
}
