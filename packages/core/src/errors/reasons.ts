/**
 * For each exact check that can fail, a stable short word and one sentence for the operator. Both are for log and events, and
 * never reach the caller, who receives the error's code. The sentences are constants, without parts of request, token or secret.
 */
const sentences = {
  // The request
  'no-credentials':
    'The client must send its access token as "Authorization: Bearer <token>". If it did, a proxy took it away: run "telnyx-auth doctor --resource".',
  'other-scheme':
    'The client must send its access token with the scheme Bearer: "Authorization: Bearer <token>". To accept the scheme DPoP, set the option "dpop".',
  'scheme-missing':
    'The Authorization header holds a token without a scheme. The client must send "Authorization: Bearer <token>".',
  'api-key':
    'The credential looks like a Telnyx API key, not an access token. The client must get a token from the issuer. To let another middleware judge API keys, set the options "getToken" and "optional".',
  preflight:
    'A CORS preflight request never carries a token. Put the CORS middleware before telnyxAuth, so that preflights do not reach it.',
  'authorization-stripped':
    'The request passed a proxy and has no Authorization header. If the client sent one, let the proxy pass it on.',
  'get-token-empty':
    'Your own "getToken" found no token in the request. Check what the client sends, and where "getToken" looks.',
  'header-not-a-string':
    'A program, not the client, put a value that is not a string into the Authorization header of the request.',
  'header-malformed':
    'The client must send "Authorization: Bearer <token>": one space, then the token without quotes and without a second "Bearer".',
  'token-repeated':
    'The request carries more than one credential. The client must send one Authorization header with one token, and no proxy may add another.',

  // The form of the token
  'too-large': 'Raise "maxTokenBytes" if the issuer really makes access tokens of this size.',
  'not-three-parts':
    'The token is not a signed JWT. If the issuer makes opaque tokens, set the option "introspection". A refresh token is no access token.',
  encrypted:
    'The token is an encrypted JWT. Ask the issuer for signed tokens, or set the option "introspection".',
  'not-base64url':
    'The token was changed on its way: cut off, padded, or encoded again. Send it as the issuer gave it.',
  'not-utf8': 'The token was not made by a correct issuer. Check where the client got it.',
  'not-json': 'The token was not made by a correct issuer. Check where the client got it.',
  'not-an-object': 'The token was not made by a correct issuer. Check where the client got it.',
  'too-deep': 'The token nests its content too deep. Check where the client got it.',
  'repeated-member': 'The token repeats a member name. Check where the client got it: this can be an attack.',

  // The header of the token
  'algorithm-not-supported': 'The issuer must sign with RS, PS or ES (256, 384, 512), EdDSA or Ed25519.',
  'algorithm-not-listed': 'If the issuer may use this algorithm, add it to the option "algorithms".',
  'critical-header': 'The issuer must make tokens without critical header parameters.',
  'typ-not-access-token':
    'Only access tokens are accepted. Send the access token, not an ID, refresh or logout token. With profile "rfc9068", the issuer must set "typ" to "at+jwt".',
  'kid-not-a-string': 'The token was not made by a correct issuer. Check where the client got it.',

  // The claims of the token
  'claim-missing':
    'The issuer must put this claim into its access tokens. The option "profile" decides which ones are required: "telnyx" needs "iss", "aud" and "exp" only.',
  'claim-of-wrong-type': 'The issuer must make this claim as RFC 7519 and RFC 9068 define it.',
  'issuer-unknown':
    'The token is from an issuer that is not configured. Compare the environments (test, production) of client and API, and the option "issuer" (TELNYX_AUTH_ISSUER). "localhost" and "127.0.0.1" are two names.',
  'issuer-slash':
    'The issuer in the token and the option "issuer" (TELNYX_AUTH_ISSUER) differ by a slash at the end. Set the option exactly as the issuer writes it.',
  'audience-other':
    'The token is for another API. Set the option "audience" (TELNYX_AUTH_AUDIENCE) to the identifier of this API, and let the client ask for a token for it.',
  'audience-slash':
    'The audience of the token and the option "audience" (TELNYX_AUTH_AUDIENCE) differ by a slash at the end. Make them the same.',
  'audience-client-id':
    'The token looks like an ID token: its audience is the client. The client must send its access token instead.',
  expired:
    'The client must get a new token before the old one expires. If it is fresh, compare the clocks of this machine and the issuer.',
  'expired-just-now':
    'The token expired within the last minutes. If clients renew in time, compare the clocks of this machine and the issuer, or raise "clockToleranceSeconds".',
  'not-before':
    'The token may not be used yet ("nbf"). The client must wait; if that time is over, compare the clocks of this machine and the issuer.',
  'issued-in-future':
    'The token was issued in the future ("iat"). Compare the clocks of this machine and the issuer. If the time is in milliseconds, the issuer must write seconds.',
  'clock-behind':
    'The token seems to be from the next minutes: this machine\'s clock is probably behind. Synchronise the clocks, or raise "clockToleranceSeconds".',
  'clock-broken':
    'The clock of this process does not return a finite number. Find what replaces Date.now: a test kit, or fake timers.',
  bound:
    'The token is bound to a key or certificate. Set the option "dpop" or "mtls" to accept such tokens, or ask the issuer for a Bearer token.',
  'bound-otherwise':
    'The token is bound to something that is not checked here. A key ("jkt") needs the option "dpop", a certificate ("x5t#S256") the option "mtls"; other confirmations are not supported.',
  'bound-as-bearer':
    'The token is bound to a key. The client must send it as "Authorization: DPoP <token>", with a DPoP proof. In a call of verify(), there is no request to take a proof from: use authenticate().',
  'not-bound':
    'The token is not bound to a key. The client must ask the issuer for a token with a DPoP proof, or send this one as "Authorization: Bearer <token>" where such tokens are accepted.',

  // The proof of possession
  'proof-missing': 'The client must send a DPoP proof for each request, in the header DPoP.',
  'proof-repeated': 'The client must send one DPoP header with one proof, and no proxy may add another.',
  'proof-malformed': 'The DPoP proof is not a signed JWT. Check how the client makes it.',
  'proof-typ': 'The client must set "typ" of the DPoP proof to "dpop+jwt".',
  'proof-algorithm':
    'The client must sign its DPoP proofs with an algorithm that the challenge names. Others can be allowed with "dpop.algorithms".',
  'proof-critical': 'The client must make DPoP proofs without critical header parameters.',
  'proof-key': 'The "jwk" of the DPoP proof is no public key of the algorithm, or a weak one.',
  'proof-key-secret':
    'The DPoP proof has the private key of the client in its header. The client must replace this key: everyone on the way has seen it.',
  'proof-key-other':
    'The DPoP proof is made with another key than that of the token. If the client did not mix up its keys, the token may be stolen.',
  'proof-signature': 'The DPoP proof was changed, or signed with another key than its own.',
  'proof-jti': 'The client must give each DPoP proof a "jti" of 1 to 256 characters.',
  'proof-method': 'The "htm" of the DPoP proof is not the method of the request.',
  'proof-url':
    'The "htu" of the DPoP proof is not the URL of the request. Behind a proxy, set the option "baseUrl" (TELNYX_AUTH_BASE_URL) to the URL that clients use.',
  'proof-age':
    'The DPoP proof is too old, or from the future. Compare the clocks of client and API, or raise "dpop.proofAgeSeconds".',
  'proof-token': 'The "ath" of the DPoP proof is not the digest of the access token.',
  'proof-nonce-missing': 'The client must repeat the request with a proof that has the nonce of the answer.',
  'proof-nonce-invalid':
    'The nonce of the DPoP proof is too old or not from this API. All machines of an API must have the same "dpop.nonce" secrets.',
  'proof-replayed':
    'The DPoP proof was used before. The client must make a new one for each request, also when it repeats one. Otherwise the proof may be stolen.',
  'certificate-missing':
    'The token is bound to a client certificate, and the request has none. Check that the server asks for one ("requestCert"), or that the proxy hands it on and "mtls" names its address. In a call of verify(), there is no request: use authenticate().',
  'certificate-other':
    'The client has presented another certificate than that of the token. If it did not mix up its certificates, the token may be stolen.',
  'replay-store-full':
    'The replay store in memory is full: more proofs arrive than it can hold for their lifetime. Set "dpop.replayStore", or lower "dpop.proofAgeSeconds".',
  'replay-store-failed': 'The replay store ("dpop.replayStore") failed. See the cause of the error.',

  // The key and the signature
  'key-unknown':
    'The issuer does not publish the key of this token. Compare the environments (test, production) of client and API; after a rotation, check that the JWK Set has the new key. If the key was withdrawn, the client must get a new token; an issuer should publish old keys for as long as their tokens live.',
  'key-of-other-algorithm':
    'The key of this token is for another algorithm. The issuer must sign as its JWK Set says.',
  'signature-wrong':
    'The token was changed, or signed with another key than the one that it names. Check where the client got it.',

  // Introspection, the application's `validate`, and the policy
  inactive: 'The issuer says that the token is revoked, expired or unknown. The client must get a new one.',
  'introspection-repeated-member':
    'The introspection response repeats a member name, so it says two things at once. The issuer must be corrected.',
  'introspection-contradicts':
    'The introspection response names another subject, client or token id than the signed token. Check that the endpoint belongs to this issuer.',
  'validate-refused': 'Your own "validate" returned false: the cause is there.',
  'scope-missing':
    'The client must ask the issuer for the scopes that the operation needs: the challenge and "requiredScopes" name them.',
  'acr-insufficient': 'The user must sign in again in a stronger way, as the challenge says.',
  'authentication-too-old': 'The user must sign in again, as the challenge says.',

  // Requests to the issuer
  timeout:
    'Check that this machine reaches the issuer (proxy, firewall, DNS); raise "timeoutMs" if it is slow.',
  network:
    'Check that this machine reaches the issuer (proxy, firewall, DNS, certificates). If the connection is refused, nothing listens there: check that the issuer runs, and its address (TELNYX_AUTH_ISSUER).',
  redirect: 'The issuer answered with a redirect, which is never followed. Configure the final address.',
  status: 'The issuer answered with an error. Check the address, and the state of the issuer.',
  credentials:
    'The issuer refused the credentials of this API, or your own "authMethod" gave none. Check "clientId" and "clientSecret" (TELNYX_CLIENT_ID, TELNYX_CLIENT_SECRET), or "authMethod".',
  'introspection-limit':
    'As many introspection requests are in flight as "introspection.maxInFlight" allows. Raise it if the endpoint can serve more; a flood of made-up tokens has the same effect.',
  'introspection-token-refused':
    'The introspection endpoint refuses to judge this token (status 400, 413, 414, 422 or 431). Check that it supports access tokens of this kind.',
  'introspection-endpoint-missing':
    'The metadata name no introspection endpoint with an https URL. Set the option "introspectionEndpoint".',
  'response-too-large':
    'The answer of the issuer is larger than "maxResponseBytes". Check the address; raise the option if the issuer\'s answers are really so large.',
  'invalid-document':
    'The answer of the issuer is not what the specification demands: not JSON, for example. Check the address: a login page or a proxy may have answered.',
  'no-metadata':
    'The issuer has neither RFC 8414 metadata nor OpenID Connect discovery. Check the option "issuer" (TELNYX_AUTH_ISSUER), or set "jwksUri".',
  'issuer-mismatch':
    'The metadata name another issuer than the one that is configured. Set the option "issuer" (TELNYX_AUTH_ISSUER) exactly as the issuer writes it: "localhost" and "127.0.0.1" are two names.',
  'issuer-trailing-slash':
    'The option "issuer" (TELNYX_AUTH_ISSUER) and the name in the metadata differ by a slash at the end. Set the option exactly as the issuer writes it.',
  'jwks-uri-missing':
    'The metadata do not say where the keys are. Set the option "jwksUri", or "jwks" with the keys themselves.',
  'jwks-uri-insecure':
    'The issuer must publish its keys at an https URL. Until it does, set the option "jwksUri" or "jwks".',
  'no-usable-key':
    'The JWK Set has no key that can verify signatures; health() shows why. The issuer must publish one.',
  'key-lookup-limited':
    'The key id is unknown, and the rate limit for fetching the keys is spent. The client should try again later. If this lasts, many tokens with unknown keys arrive.',
  'too-many-candidates':
    'The token names no key, and more keys of the issuer fit its algorithm than are tried. The issuer must put a "kid" into its tokens.',
  error: 'The request to the issuer could not be made. See the cause of the error.',
} as const

/** The exact check that failed: a stable short word for operators. */
export type Reason = keyof typeof sentences

/** For each reason, what the operator can do. */
export const hints: Readonly<Record<Reason, string>> = sentences
