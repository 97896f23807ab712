/** What is wrong with the members of a document: sentences per member. */
export type InvalidFields = Readonly<Record<string, readonly string[]>>

/** A refusal in JSON: `{ error, error_description }`, as of RFC 6749 §5.2, with what Telnyx adds. */
export class OAuthError extends Error {
  readonly error: string
  readonly status: number
  readonly invalidFields: InvalidFields | undefined

  constructor(
    error: string,
    description: string,
    status: number = error === 'invalid_client' ? 401 : 400,
    invalidFields?: InvalidFields,
  ) {
    super(description)
    this.error = error
    this.status = status
    this.invalidFields = invalidFields
  }
}

/** The API key is missing or wrong (RFC 6750 §3). */
export class ApiKeyError extends OAuthError {
  constructor() {
    super('invalid_token', 'The API key is missing or wrong', 401)
  }
}

export function notFound(what: string): OAuthError {
  return new OAuthError('not_found', `There is no such ${what}`, 404)
}

/**
 * An authorization request that must not be answered at its redirect URI, because that one, or the client, is not
 * known to be good (RFC 6749 §4.1.2.1). The user is told.
 */
export class AuthorizationPageError extends Error {
  readonly status: 400 | 404 | 422

  constructor(status: 400 | 404 | 422, message: string) {
    super(message)
    this.status = status
  }
}
