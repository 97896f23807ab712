import type { AccessTokens } from './access-tokens.js'
import type { Authorization } from './authorization.js'
import type { Account } from './client.js'
import type { Clients } from './clients.js'
import type { Endpoint } from './endpoints.js'
import type { Grants } from './grants.js'

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
  /** @throws {OAuthError | AuthorizationPageError} */
  readonly work: (call: Call) => Promise<Response> | Response
}

/** JSON that says nothing to whoever asks later. */
export function json(body: object, status = 200): Response {
  return Response.json(body, { status, headers: { 'Cache-Control': 'no-store' } })
}
