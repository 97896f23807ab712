import { OAuthError } from './refusals.js'

/** The parameters of a request to an OAuth endpoint. */
export interface Parameters {
  get(name: string): string | undefined
  has(name: string): boolean
  /** All values of `resource`, the only parameter that may be repeated (RFC 8707 §2). */
  readonly resources: readonly string[]
}

/** The parameters of the token and introspection endpoints. All others are ignored (RFC 6749 §3.2). */
const TOKEN_PARAMETERS: ReadonlySet<string> = new Set([
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

/** The parameters of forms and queries: also those of the authorization endpoint and of the consent page. */
const FORM_PARAMETERS: ReadonlySet<string> = new Set([
  ...TOKEN_PARAMETERS,
  'code_challenge',
  'code_challenge_method',
  'consent_token',
  'decision',
  'dpop_jkt',
  'response_type',
  'state',
])

/**
 * The parameters of a form or a query. An unknown parameter is ignored, an empty one counts as missing, and none may be
 * repeated (RFC 6749 §3.1, §3.2).
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
  const known = Object.entries(object).filter(([name]) => TOKEN_PARAMETERS.has(name))
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
