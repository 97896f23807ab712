/** How this API authenticates at an introspection endpoint (RFC 7662 §2.1). */

import type { Deadline } from '../../base/deadline.js'
import { ownMembers } from '../../base/own-members.js'
import { isPlainObject } from '../../errors/check-options.js'
import { IssuerFailure } from '../../errors/issuer-failure.js'

/** The credentials of this API in one introspection request. They are sent unchanged. */
export interface ClientAuthentication {
  /** Headers, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Form parameters, such as `client_assertion` (RFC 7523 §2.2). */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/**
 * Creates the credentials for each introspection request: a bearer API key, a private key JWT (RFC 7523). Called again when a
 * request is repeated.
 *
 * @example
 * import type { AuthenticateClient } from '@telnyx-auth/core'
 *
 * const authMethod: AuthenticateClient = async () => ({ headers: { authorization: `Bearer ${await apiKey()}` } })
 */
export type AuthenticateClient = (request: {
  readonly issuer: string
  readonly endpoint: string
}) => ClientAuthentication | Promise<ClientAuthentication>

/** Client id and secret as form parameters (RFC 6749 §2.3.1). */
export function clientSecretPost(clientId: string, clientSecret: string): AuthenticateClient {
  return () => ({ parameters: { client_id: clientId, client_secret: clientSecret } })
}

/** Client id and secret in an `Authorization` header. RFC 6749 §2.3.1: each is form-encoded before they are joined. */
export function clientSecretBasic(clientId: string, clientSecret: string): AuthenticateClient {
  const credentials = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')
  return () => ({ headers: { authorization: `Basic ${credentials}` } })
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

/**
 * Calls the option `authMethod` within the time limit, and checks what it returns.
 *
 * @throws {IssuerFailure} `credentials`, also for every error that it throws
 */
export async function callAuthMethod(
  authMethod: AuthenticateClient,
  issuer: string,
  endpoint: string,
  deadline: Deadline,
): Promise<{ headers: Record<string, string>; parameters: Record<string, string> }> {
  const started = performance.now()
  const failure = (message: string, cause?: unknown) =>
    new IssuerFailure('credentials', message, {
      host: new URL(endpoint).host,
      durationMs: performance.now() - started,
      cause,
    })
  const timeout = deadline.over.then(() => {
    throw failure('The function "authMethod" did not return in time')
  })
  timeout.catch(() => undefined)
  const work = async () => {
    const returned: unknown = await authMethod({ issuer, endpoint })
    // JavaScript does not check types, and a token must not be sent without the credentials that belong to it.
    const { headers, parameters, ...others } = ownMembers(isPlainObject(returned) ? returned : { returned })
    if (Object.keys(others).length > 0 || !isTextual(headers) || !isTextual(parameters))
      throw failure('The function "authMethod" returned something other than headers and parameters')
    // `fetch` would refuse such a header in every request, which would look like an outage of the issuer.
    if (!Object.entries(headers ?? {}).every(([name, value]) => canBeSent(name, value)))
      throw failure('The function "authMethod" returned a header that cannot be sent')
    const named = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
    return { headers: Object.fromEntries(named), parameters: { ...parameters } }
  }
  return Promise.race([work(), timeout]).catch((cause: unknown) => {
    throw cause instanceof IssuerFailure ? cause : failure('The function "authMethod" failed', cause)
  })
}

/** Headers that frame the request: only `fetch` may set them. */
const FRAMING: readonly string[] = ['content-length', 'expect', 'keep-alive', 'transfer-encoding', 'upgrade']

/** Whether `fetch` accepts a header (RFC 9110 §5.5, §5.6.2); it removes white space around a value. */
function canBeSent(name: string, value: string): boolean {
  if (FRAMING.includes(name.toLowerCase())) return false
  const trimmed = value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  return /^[!#$%&'*+.^_`|~\w-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(trimmed)
}

function isTextual(value: unknown): value is Record<string, string> | undefined {
  if (value === undefined) return true
  return isPlainObject(value) && Object.values(value).every((each) => typeof each === 'string')
}
