import { UnavailableError } from '../../errors/errors.js'
import { IssuerFailure } from '../../errors/issuer-failure.js'

/**
 * Whose kind it is that the introspection endpoint gave no answer about a token:
 *
 * - `token`: the endpoint does not judge this token. It says nothing about the endpoint.
 * - `unclear`: it may be the token's. It is no failure of the endpoint, and no verdict on the token.
 * - `service`: the credentials, the address or another setting of this API are wrong. Waiting does not help.
 * - `outage`: the endpoint is down, overloaded or cannot be reached.
 * - `limit`: no request was made, because this lane has enough in flight.
 */
export type FailureKind = 'token-refused' | 'unclear' | 'misconfigured' | 'outage' | 'limit'

/** Which tokens are asked about: those verified here, and those that only the issuer can judge. */
export type LaneName = 'confirm' | 'decide'

/** No answer about a token, and why. */
export interface IntrospectionFailure {
  readonly state: 'failed'
  readonly kind: FailureKind
  /** An `IssuerFailure` or an `UnavailableError` of discovery; absent where no request was made. */
  readonly error?: unknown
}

/** The endpoint read the token and refuses to judge it: oidc-provider answers 400 `unsupported_token_type`. */
const ABOUT_TOKEN: readonly number[] = [400, 413, 414, 422, 431]
/** Beside 5xx: what ends without any repair. */
const TRANSIENT: readonly number[] = [408, 425, 429]

/** A JSON answer that no introspection endpoint gives; the token may be the reason, or the address. */
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

/** Decides whose kind a failure is. What is not known to be an outage is not taken for one. */
export function kindOf(error: unknown, lane: LaneName): FailureKind {
  if (error instanceof UnavailableError) return kindOfDiscoveryFailure(error)
  if (!(error instanceof IssuerFailure)) return 'misconfigured'
  if (error instanceof UnusableResponse) return error.kind
  const { reason, status } = error
  switch (reason) {
    case 'timeout':
    case 'network':
    case 'invalid-document':
      return 'outage'
    // How long an answer is depends on the token.
    case 'too-large':
      return 'unclear'
    case 'credentials':
      // A filter in front of the endpoint may dislike a token that anyone can have written.
      return status === 403 && lane === 'decide' ? 'unclear' : 'misconfigured'
    case 'status':
      if (status === undefined) return 'misconfigured'
      if (ABOUT_TOKEN.includes(status)) return 'token-refused'
      return passes(status) ? 'outage' : 'misconfigured'
    default:
      // A redirect: the address is another one.
      return 'misconfigured'
  }
}

function passes(status: number): boolean {
  return status >= 500 || TRANSIENT.includes(status)
}

/** The place of the endpoint is not known: because the issuer is down, or because its metadata are of no use. */
function kindOfDiscoveryFailure({ code, cause }: UnavailableError): FailureKind {
  if (code !== 'ERR_DISCOVERY_FAILED') return 'misconfigured'
  if (!(cause instanceof IssuerFailure)) return 'misconfigured'
  const { reason, status = 0 } = cause
  const isOutage = reason === 'status' && passes(status)
  return isOutage || reason === 'timeout' || reason === 'network' ? 'outage' : 'misconfigured'
}
