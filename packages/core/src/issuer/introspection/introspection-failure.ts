import { UnavailableError } from '../../errors/errors.js'
import { IssuerFailure } from '../../errors/issuer-failure.js'

/**
 * Why there is no introspection response for a token:
 *
 * - `token-refused`: the endpoint refuses to judge this token. That says nothing about the endpoint.
 * - `unclear`: the token may be the reason. It counts neither against the endpoint nor against the token.
 * - `misconfigured`: the credentials, the URL or another setting of this API is wrong. Waiting does not help.
 * - `outage`: the endpoint is down, overloaded or cannot be reached.
 * - `limit`: no request was made, because the lane has enough requests in flight.
 */
export type FailureKind = 'token-refused' | 'unclear' | 'misconfigured' | 'outage' | 'limit'

/**
 * The two lanes of an issuer, which do not delay each other: `confirm` for tokens whose signature was verified here, `decide`
 * for those that only the issuer can judge. Events carry these names.
 */
export type LaneName = 'confirm' | 'decide'

/** The outcome of an introspection that gave no response. */
export interface IntrospectionFailure {
  readonly state: 'failed'
  readonly kind: FailureKind
  /** An `IssuerFailure`, or the `UnavailableError` of discovery; absent where no request was made. */
  readonly error?: unknown
}

/** The endpoint read the token and refuses to judge it. For example, oidc-provider answers 400 `unsupported_token_type`. */
const TOKEN_REFUSED: readonly number[] = [400, 413, 414, 422, 431]
/** The transient statuses beside 5xx. */
const TRANSIENT: readonly number[] = [408, 425, 429]

/** A response that is no introspection response, because of the token or of the URL. */
export class UnusableResponse extends IssuerFailure {
  readonly kind: 'unclear' | 'misconfigured'

  constructor(
    kind: 'unclear' | 'misconfigured',
    message: string,
    detail: ConstructorParameters<typeof IssuerFailure>[2],
  ) {
    super('invalid-document', message, detail)
    this.kind = kind
  }
}

/**
 * Classifies a failed introspection. A failure that is not known to be an outage is none, because `onUnavailable: 'accept'`
 * accepts tokens during an outage.
 */
export function failureKindOf(error: unknown, lane: LaneName): FailureKind {
  if (error instanceof UnavailableError) return kindOfDiscoveryFailure(error)
  if (!(error instanceof IssuerFailure)) return 'misconfigured'
  if (error instanceof UnusableResponse) return error.kind
  const { reason, status } = error
  switch (reason) {
    case 'timeout':
    case 'network':
    case 'invalid-document':
      return 'outage'
    // The length of the response depends on the token.
    case 'too-large':
      return 'unclear'
    case 'credentials':
      // A filter in front of the endpoint may reject a token that an anonymous caller has made up.
      return status === 403 && lane === 'decide' ? 'unclear' : 'misconfigured'
    case 'status':
      if (status === undefined) return 'misconfigured'
      if (TOKEN_REFUSED.includes(status)) return 'token-refused'
      return isTransient(status) ? 'outage' : 'misconfigured'
    default:
      // A redirect: the endpoint has another URL.
      return 'misconfigured'
  }
}

function isTransient(status: number): boolean {
  return status >= 500 || TRANSIENT.includes(status)
}

/** For an endpoint whose URL is not known: the issuer is down, or its metadata cannot be used. */
function kindOfDiscoveryFailure({ code, cause }: UnavailableError): FailureKind {
  if (code !== 'ERR_DISCOVERY_FAILED') return 'misconfigured'
  if (!(cause instanceof IssuerFailure)) return 'misconfigured'
  const { reason, status = 0 } = cause
  const isOutage = reason === 'status' && isTransient(status)
  return isOutage || reason === 'timeout' || reason === 'network' ? 'outage' : 'misconfigured'
}
