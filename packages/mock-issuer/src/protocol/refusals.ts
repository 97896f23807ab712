/** The members of a document that are not valid, each with the reasons. */
export type InvalidFields = Readonly<Record<string, readonly string[]>>

/** A refusal in JSON: `error` and `error_description` (RFC 6749 §5.2), and the `invalid_fields` that Telnyx adds. */
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

/** The DPoP proof has no current nonce of the issuer (RFC 9449 §8). */
export class DpopNonceError extends OAuthError {
  /** The nonce for the next proof, sent in the header `DPoP-Nonce`. */
  readonly nonce: string

  constructor(nonce: string) {
    super('use_dpop_nonce', 'The DPoP proof needs the nonce of this response')
    this.nonce = nonce
  }
}

/** The 404 for an unknown client or grant. */
export function notFound(what: string): OAuthError {
  return new OAuthError('not_found', `There is no such ${what}`, 404)
}

/**
 * An authorization request with an unknown client or redirect URI. The user must not be redirected there, and sees an
 * error page (RFC 6749 §4.1.2.1).
 */
export class AuthorizationPageError extends Error {
  readonly status: 400 | 404 | 422

  constructor(status: 400 | 404 | 422, message: string) {
    super(message)
    this.status = status
  }
}
