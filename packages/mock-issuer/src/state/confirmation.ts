import { isThumbprint, type ProofKey, readKey, thumbprintOf } from '../protocol/proof-key.js'

/** What a token is bound to. At most one member, and none beside `claims.cnf`. */
export interface Binding {
  /**
   * Binds the token to this key of the client (RFC 9449 §6.1): `cnf.jkt` is its thumbprint (RFC 7638). The public or the private
   * key, as a `KeyObject`, a `CryptoKey` or a JWK. @default the token is not bound
   */
  readonly dpopKey?: ProofKey | undefined
  /** Binds the token to the key with this thumbprint (`cnf.jkt`, RFC 9449 §6.1). @default the token is not bound */
  readonly jkt?: string | undefined
  /**
   * Binds the token to the client certificate with this thumbprint (`cnf["x5t#S256"]`, RFC 8705 §3.1): the SHA-256 digest of its
   * DER encoding, in base64url. @default the token is not bound
   */
  readonly x5t?: string | undefined
}

/**
 * The `cnf` claim (RFC 7800 §3.1) for a binding; `undefined` for none.
 *
 * @throws {TypeError} for two bindings, or a value that is not valid
 */
export function confirmationOf(
  { dpopKey, jkt, x5t }: Binding,
  claims: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, string>> | undefined {
  const given = Object.entries({ dpopKey, jkt, x5t }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  )
  if (given.length > 0 && Object.hasOwn(claims, 'cnf')) given.push('claims.cnf')
  if (given.length > 1)
    throw new TypeError(`A token has one binding, and not several: ${given.join(', ')} exclude each other`)
  if (dpopKey !== undefined) return { jkt: thumbprintOf(readKey(dpopKey)) }
  if (jkt !== undefined) return { jkt: checkThumbprint(jkt, 'jkt') }
  return x5t === undefined ? undefined : { 'x5t#S256': checkThumbprint(x5t, 'x5t') }
}

function checkThumbprint(value: string, name: string): string {
  if (isThumbprint(value)) return value
  throw new TypeError(
    `"${name}" must be a SHA-256 digest in base64url, 43 characters; use claims.cnf for a binding that is broken`,
  )
}
