/** Names that a polluted `Object.prototype` may have, for attack 46. */
export const CLAIMS: readonly string[] =
  'iss sub aud exp nbf iat jti client_id scope scp azp cid acr auth_time amr cnf act may_act nonce at_hash roles groups token_type token_use active username'.split(
    ' ',
  )
export const HEADER_PARAMETERS: readonly string[] =
  'alg kid typ crit b64 jwk jku x5u x5c x5t x5t#S256 cty enc zip'.split(' ')
export const OPTIONS: readonly string[] =
  'issuer audience profile claimNames clientId algorithms clockToleranceSeconds maxTokenBytes getToken scopes anyScope acrValues maxAgeSeconds introspection validate scopeImplies jwksUri jwks metadata introspectionEndpoint cache keys fetch timeoutMs maxResponseBytes retries protectedResource resource resourceName documentation when clientSecret authMethod cacheSeconds inactiveCacheSeconds onUnavailable maxInFlight maxEntries lifetimeSeconds maxStaleSeconds cooldownSeconds verifier optional errors dpop mtls baseUrl senderConstrained parameters'.split(
    ' ',
  )
export const VARIABLES: readonly string[] =
  'TELNYX_AUTH_ISSUER TELNYX_AUTH_AUDIENCE TELNYX_AUTH_BASE_URL TELNYX_CLIENT_ID TELNYX_CLIENT_SECRET'.split(
    ' ',
  )
/** Members of documents of the issuer, of errors and of internal objects. */
export const OTHERS: readonly string[] =
  'jwks_uri introspection_endpoint use kty crv claim message reason hint cause error description errorDescription resourceMetadata requiredScopes retryAfterSeconds status code cached if-none-match authorization body form loaded waitMs redirected slashAfterHost challengeScopes'.split(
    ' ',
  )

export const VALUES: readonly unknown[] = [
  'https://api.example.com',
  9_000_000_000,
  null,
  ['b64'],
  { keys: [] },
]

/** Runs work while `Object.prototype` has one more member, as after an attack on another part of the program. */
export async function whilePolluted<T>(name: string, value: unknown, work: () => Promise<T>): Promise<T> {
  Reflect.set(Object.prototype, name, value)
  try {
    return await work()
  } finally {
    Reflect.deleteProperty(Object.prototype, name)
  }
}
