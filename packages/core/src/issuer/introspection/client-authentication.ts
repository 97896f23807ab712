import { ownMembers } from '../../base/own-members.js'
import { isPlainObject } from '../../errors/check-options.js'
import { IssuerFailure } from '../../errors/issuer-failure.js'
import type { Deadline } from '../http/deadline.js'
import type { AuthenticateClient } from './introspection-options.js'

/**
 * What a function of the user's gives, within the time that there is.
 *
 * @throws {IssuerFailure} `credentials`, for everything that it throws
 */
export async function callAuthMethod(
  own: AuthenticateClient,
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
    throw failure('The function "authMethod" gave nothing in time')
  })
  timeout.catch(() => undefined)
  const work = async () => {
    const given: unknown = await own({ issuer, endpoint })
    // JavaScript lets anything through, and a token must not leave without what was meant to go with it.
    const { headers, parameters, ...others } = ownMembers(isPlainObject(given) ? given : { given })
    if (Object.keys(others).length > 0 || !isTextual(headers) || !isTextual(parameters))
      throw failure('The function "authMethod" gave something else than headers and parameters')
    // `fetch` would refuse it each time, which would look like an issuer that is down.
    if (!Object.entries(headers ?? {}).every(([name, value]) => canBeSent(name, value)))
      throw failure('The function "authMethod" gave a header that cannot be sent')
    const named = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
    return { headers: Object.fromEntries(named), parameters: { ...parameters } }
  }
  return Promise.race([work(), timeout]).catch((cause: unknown) => {
    throw cause instanceof IssuerFailure ? cause : failure('The function "authMethod" failed', cause)
  })
}

/** Headers that say how the request is framed, which is for `fetch` to decide. */
const FRAMING: readonly string[] = ['content-length', 'expect', 'keep-alive', 'transfer-encoding', 'upgrade']

/** Whether `fetch` takes a header (RFC 9110 §5.5, §5.6.2); it removes white space around a value. */
function canBeSent(name: string, value: string): boolean {
  if (FRAMING.includes(name.toLowerCase())) return false
  const trimmed = value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  return /^[!#$%&'*+.^_`|~\w-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(trimmed)
}

function isTextual(value: unknown): value is Record<string, string> | undefined {
  if (value === undefined) return true
  return isPlainObject(value) && Object.values(value).every((each) => typeof each === 'string')
}
