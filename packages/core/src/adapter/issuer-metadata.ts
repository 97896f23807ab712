import type { AuthenticatableRequest } from '../request/request-headers.js'
import { ANY_ORIGIN, metadataResponse } from '../resource/metadata-response.js'
import type { ResolvedAuthenticatorOptions } from './authenticator-options.js'
import { refuse } from './refusal.js'
import type { Decision, RequestHandle } from './request-handle.js'
import { clearForAnswer } from './response-headers.js'

/** Answers a request for the metadata of the issuer, with the headers of this API and never those of the issuer. */
export async function respondWithIssuerMetadata(
  authenticator: ResolvedAuthenticatorOptions,
  handle: RequestHandle,
  request: AuthenticatableRequest,
): Promise<Decision> {
  const response = metadataResponse(request)
  if (!response) return undefined
  let body: string | undefined
  if (response.status === 200)
    try {
      body = JSON.stringify(await authenticator.verifier.issuerMetadata.publishedDocument())
    } catch (error) {
      const refusal = refuse(authenticator, handle, error)
      return { ...refusal, headers: { ...refusal.headers, ...ANY_ORIGIN } }
    }
  clearForAnswer(handle.responseHeaders(), response.headers)
  return { ...response, body }
}
