import { OAuthError } from './refusals.js'

/** The parameters of a request to the token or introspection endpoint. */
export interface Parameters {
  get(name: string): string | undefined
  has(name: string): boolean
  /** The one parameter that may be repeated (RFC 8707 §2). */
  readonly resources: readonly string[]
}

/** What the endpoints read. RFC 6749 §3.2: all else is ignored, so in JSON it may be anything. */
const PARAMETERS: ReadonlySet<string> = new Set([
  'client_id',
  'client_secret',
  'code',
  'code_verifier',
  'grant_type',
  'redirect_uri',
  'refresh_token',
  'resource',
  'scope',
  'token',
])

/** All that is read from a form or a query: also by the authorization endpoint and by the form of the consent page. */
const FORM_PARAMETERS: ReadonlySet<string> = new Set([
  ...PARAMETERS,
  'code_challenge',
  'code_challenge_method',
  'consent_token',
  'decision',
  'response_type',
  'state',
])

/**
 * RFC 6749 §3.1 and §3.2: a parameter that is not recognized is ignored, one without a value counts as left out, and
 * none may be repeated.
 *
 * @throws {OAuthError} `invalid_request`
 */
export function parametersFromForm(entries: readonly (readonly [string, string])[]): Parameters {
  const parameters = new Map<string, string>()
  const resources: string[] = []
  for (const [name, value] of entries) {
    if (name === 'resource') {
      if (value !== '') resources.push(value)
      continue
    }
    if (!FORM_PARAMETERS.has(name)) continue
    if (parameters.has(name)) throw new OAuthError('invalid_request', 'A parameter is repeated')
    parameters.set(name, value)
  }
  for (const [name, value] of parameters) if (value === '') parameters.delete(name)
  return {
    get: (name) => parameters.get(name),
    has: (name) => parameters.has(name),
    resources: [...new Set(resources)],
  }
}

/**
 * The parameters of a JSON object. A `resource` that a form would repeat is an array here.
 *
 * @throws {OAuthError} `invalid_request`
 */
export function parametersFromJson(object: object): Parameters {
  const known = Object.entries(object).filter(([name]) => PARAMETERS.has(name))
  const entries = known.flatMap(([name, member]) => {
    const values: unknown[] = name === 'resource' && Array.isArray(member) ? member : [member]
    return values.map((value): [string, string] => {
      if (typeof value !== 'string')
        throw new OAuthError('invalid_request', 'A member of the body is not a string')
      return [name, value]
    })
  })
  return parametersFromForm(entries)
}
