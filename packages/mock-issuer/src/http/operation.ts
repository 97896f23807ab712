import type { Account } from '../protocol/client.js'
import type { Endpoint } from '../protocol/endpoints.js'
import type { AccessTokens } from '../state/access-tokens.js'
import type { Authorization } from '../state/authorization.js'
import type { Clients } from '../state/clients.js'
import type { Dpop } from '../state/dpop.js'
import type { Grants } from '../state/grants.js'

/** The parts of the issuer that the operations use. */
export interface IssuerState {
  /** The current issuer identifier. */
  issuer(): string
  readonly scopes: readonly string[]
  readonly mcp: boolean
  /** `undefined` where DPoP is off. */
  readonly dpop: Dpop | undefined
  readonly apiKey: string
  readonly account: Account
  readonly clients: Clients
  readonly grants: Grants
  readonly authorization: Authorization
  readonly tokens: AccessTokens
}

/** One request to an operation. */
export interface Call {
  readonly request: Request
  readonly query: URLSearchParams
  /** The `:id` of the path; empty for a path without one. */
  readonly id: string
}

/** An operation of the API: its paths, and its work. */
export interface Operation {
  readonly endpoint: Endpoint
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** All paths of the operation; `:id` stands for the id of a client, grant or consent. */
  readonly paths: readonly string[]
  /**
   * Whether pages of this machine may read the response (CORS), as clients in a browser need it.
   *
   * @default false
   */
  readonly crossOrigin?: true
  /** @throws {OAuthError | AuthorizationPageError} */
  readonly work: (call: Call) => Promise<Response> | Response
}

/** A JSON response that no cache stores (RFC 6749 §5.1). */
export function json(body: object, status = 200): Response {
  return Response.json(body, { status, headers: { 'Cache-Control': 'no-store', Pragma: 'no-cache' } })
}
