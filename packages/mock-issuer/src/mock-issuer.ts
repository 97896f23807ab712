import type { Fault } from './http/faults.js'
import type { Client } from './protocol/client.js'
import type { Endpoint } from './protocol/endpoints.js'
import type { Grant } from './protocol/grant.js'
import type { TokenOptions } from './state/access-token.js'
import type { RequestLog } from './state/request-log.js'

/**
 * An authorization server with the paths and the documents of Telnyx, in this process.
 *
 * @example
 * const issuer = await createMockIssuer()
 * const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })
 * const token = await issuer.issueToken({ scopes: ['messaging.read'] })
 */
export interface MockIssuer {
  /** The issuer identifier (RFC 8414 §2). Without the option `issuer`, `listen()` changes it. */
  readonly issuer: string
  /** The bearer token for managing clients and grants, and for consent. */
  readonly apiKey: string
  /** The audience of tokens that were requested without a `resource` (RFC 8707). */
  readonly audience: string
  /** A snapshot of all clients: from the options, registered and created. */
  readonly clients: readonly Client[]
  /** A snapshot of all grants that were not revoked. */
  readonly grants: readonly Grant[]
  /**
   * The requests to each endpoint so far, over HTTP and in process.
   *
   * @example
   * import assert from 'node:assert/strict'
   *
   * assert.equal(issuer.requests.jwks.count, 1)
   */
  readonly requests: Readonly<Record<Endpoint, RequestLog>>
  /**
   * The URL of the page to try tokens on: it issues tokens, takes them apart, shows each check of the verifier, rotates keys, revokes,
   * switches faults, and lists the requests. `undefined` while it is not served: before `listen()`, on an address that other machines
   * can reach, and with `tokenPage: false`.
   *
   * @example console.log(`Try tokens at ${issuer.tokenPageUrl}`)
   */
  readonly tokenPageUrl: string | undefined
  /**
   * A `fetch` that answers requests to the issuer in this process, without a socket. It rejects as for an unknown host
   * (`ENOTFOUND`) at any other address, and as for a closed port (`ECONNREFUSED`) after `close()`.
   *
   * @example
   * import { telnyxAuth } from '@telnyx-auth/express'
   *
   * app.use(telnyxAuth({ issuer: issuer.issuer, fetch: issuer.fetch, audience: 'https://api.example.com' }))
   */
  readonly fetch: typeof globalThis.fetch
  /**
   * Serves over HTTP. Without the option `issuer`, the issuer identifier is the returned URL from now on.
   *
   * @param options where it listens
   * @param options.port default: a free port
   * @param options.host default: 127.0.0.1
   * @returns the base URL
   * @throws {TypeError} for an empty host
   * @throws {Error} if the issuer listens already or is closed meanwhile, and for a port that is in use (`EADDRINUSE`)
   * @example const url = await issuer.listen({ port: 4010 })
   */
  listen(options?: { port?: number | undefined; host?: string | undefined }): Promise<string>
  /**
   * Acts as a user at the authorization endpoint, who allows or denies a request (RFC 6749 §4.1.1).
   *
   * @param url the URL that the client sends the user to
   * @param options which user acts, and how the user decides
   * @param options.allow default: true
   * @param options.subject the `sub` of the user; default: one fixed user of the issuer
   * @returns the URL that the user is redirected to: the redirect URI of the client, with a code or an error
   * @throws {TypeError} for a URL that is not of the authorization endpoint
   * @throws {Error} for an unknown client or redirect URI, as the user must not be redirected there
   * @example
   * const callback = new URL(await issuer.authorize(url, { subject: 'user-1' }))
   * const code = callback.searchParams.get('code')
   */
  authorize(
    url: string | URL,
    options?: { allow?: boolean | undefined; subject?: string | undefined },
  ): Promise<string>
  /**
   * Signs an access token (RFC 9068 §2). By default it is valid; the options can break any part of it.
   *
   * @throws {TypeError} for a `grantId` without a grant, and a binding that is not valid or beside another one
   * @example const expired = await issuer.issueToken({ scopes: ['messaging.read'], expiresInSeconds: -60 })
   * @example
   * import { generateKeyPairSync } from 'node:crypto'
   *
   * const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
   * const bound = await issuer.issueToken({ scopes: ['messaging.read'], dpopKey: publicKey })
   */
  issueToken(options?: TokenOptions): Promise<string>
  /**
   * Creates a key, which signs all tokens from now on.
   *
   * @param options what becomes of the older keys
   * @param options.keepOld whether the JWK Set keeps the older keys; default: true
   * @returns the `kid` of the new key
   * @example await issuer.rotateKeys({ keepOld: false })
   */
  rotateKeys(options?: { keepOld?: boolean | undefined }): Promise<string>
  /**
   * Revokes an access token, or a grant with all its tokens. A refresh token stands for its grant. Introspection then
   * reports the tokens as inactive (RFC 7662 §2.2); a verifier that checks only signatures still accepts them.
   *
   * @example issuer.revoke(token)
   */
  revoke(tokenOrGrantId: string): void
  /**
   * Makes an endpoint fail. A second fault of an endpoint replaces the first.
   *
   * @throws {TypeError | RangeError} for an unknown endpoint, or a fault that is not valid
   * @example issuer.fault('jwks', { status: 503 })
   */
  fault(endpoint: Endpoint, fault: Fault): void
  /**
   * Removes all faults.
   *
   * @example
   * import { afterEach } from 'node:test'
   *
   * afterEach(() => issuer.clearFaults())
   */
  clearFaults(): void
  /**
   * Closes the server and its connections. Afterwards `fetch` rejects (`ECONNREFUSED`), until the next `listen()`.
   *
   * @example
   * import { after } from 'node:test'
   *
   * after(() => issuer.close())
   */
  close(): Promise<void>
}
