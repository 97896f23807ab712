/** Wide enough for thumbprints, UUIDs, base64 and URLs. */
const PLAUSIBLE_KID = /^(?!.*\.\.)[\w.~:/+=@#-]{1,256}$/

/**
 * Whether an issuer may have chosen this key id. An implausible one is only compared with the cached keys: it is not worth a
 * refetch, and is never reported.
 */
export function isPlausibleKid(kid: string): boolean {
  return PLAUSIBLE_KID.test(kid)
}
