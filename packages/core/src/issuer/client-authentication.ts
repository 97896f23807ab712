import { ownMembers } from '../own-members.js'
import { isPlainObject } from '../validation.js'
import type { Deadline } from './deadline.js'
import type { AuthenticateClient } from './introspection-option.js'
import { IssuerFailure } from './issuer-failure.js'

/**
 * What a function of the user's gives, within the time that there is.
 *
 * @throws {IssuerFailure} `credentials`, for everything that it throws
 */
export async function authenticateClient(
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
    const named = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
    return { headers: Object.fromEntries(named), parameters: { ...parameters } }
  }
  return Promise.race([work(), timeout]).catch((cause: unknown) => {
    throw cause instanceof IssuerFailure ? cause : failure('The function "authMethod" failed', cause)
  })
}

function isTextual(value: unknown): value is Record<string, string> | undefined {
  if (value === undefined) return true
  return isPlainObject(value) && Object.values(value).every((each) => typeof each === 'string')
}
