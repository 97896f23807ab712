/**
 * What options of other packages are here, for the message about an unknown one. Each has a row in `docs/moving/`. Options that
 * have no counterpart, or whose name is nearly the same here, are not in it.
 *
 * @example
 * // There is no option "issuerBaseURL": it is "issuer" here
 */
export const NAMES_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  // The name here comes first.
  ['agent', '"fetch"'],
  ['allowedAud', '"audience"'],
  ['allowedIss', '"issuer"'],
  // With the value: those who copied it would let anonymous callers in.
  ['authRequired', '"optional: true" in place of "false"'],
  ['cacheMaxAge', '"keys.lifetimeSeconds"'],
  ['cookie', '"getToken"'],
  ['cooldownDuration', '"keys.cooldownSeconds"'],
  ['credentialsRequired', '"optional: true" in place of "false"'],
  ['customFetch', '"fetch"'],
  ['decoratorName', '"decorator"'],
  ['getCertificate', '"mtls"'],
  ['isRevoked', '"validate", which refuses with "false",'],
  ['issuerBaseURL', '"issuer"'],
  ['jwtFromRequest', '"getToken"'],
  ['passthrough', '"optional"'],
  ['publicKey', '"jwks"'],
  ['requestAgent', '"fetch"'],
  ['secretOrKey', '"jwks"'],
  ['secretOrKeyProvider', '"jwksUri"'],
  ['secretsTtl', '"keys.lifetimeSeconds"'],
  ['strict', '"profile"'],
  ['timeoutDuration', '"timeoutMs"'],
  ['tokenSigningAlg', '"algorithms"'],
  ['typ', '"profile"'],
])
