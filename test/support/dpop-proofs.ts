import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'

/** What a proof says beside the defaults. `undefined` leaves a member out. */
export interface ProofOptions {
  readonly method?: string
  readonly url: string
  readonly token: string
  readonly nonce?: string | undefined
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
}

/** The key of a client, P-256. Written without the code under test and without `jose`. */
export class DpopKey {
  readonly #privateKey: KeyObject
  readonly #jwk: { readonly crv: string; readonly kty: string; readonly x: string; readonly y: string }
  /** RFC 7638 */
  readonly jkt: string
  /** What a client must never send. */
  get privateJwk(): object {
    return { ...this.#privateKey.export({ format: 'jwk' }) }
  }

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { crv = '', kty = '', x = '', y = '' } = publicKey.export({ format: 'jwk' })
    this.#privateKey = privateKey
    this.#jwk = { crv, kty, x, y }
    this.jkt = createHash('sha256').update(JSON.stringify(this.#jwk)).digest('base64url')
  }

  /** A proof of RFC 9449 §4.2, made now. */
  prove({ method = 'GET', url, token, nonce, claims, header: changes }: ProofOptions): string {
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.#jwk, ...changes }
    const payload = {
      jti: randomUUID(),
      htm: method,
      htu: url,
      iat: Math.floor(Date.now() / 1000),
      ath: createHash('sha256').update(token).digest('base64url'),
      nonce,
      ...claims,
    }
    const signed = `${encode(header)}.${encode(payload)}`
    const signature = sign('sha256', Buffer.from(signed), {
      key: this.#privateKey,
      dsaEncoding: 'ieee-p1363',
    })
    return `${signed}.${signature.toString('base64url')}`
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
