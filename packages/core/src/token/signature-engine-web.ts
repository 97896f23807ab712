import { type CryptoKey, importSPKI } from 'jose'
import { ownMembers } from '../base/own-members.js'
import type { Algorithm } from './algorithms.js'
import { type BoundKey, type SignatureEngine, signatureBytesOf } from './signature-engine.js'

interface SignatureParameters {
  readonly name: string
  readonly hash?: string
  readonly saltLength?: number
}

/**
 * The parameters of Web Crypto for each algorithm (RFC 7518 §3, RFC 8037 §3.1). `jose` imports keys, but does not verify here:
 * it parses the header again, into an object that finds `crit` on a polluted `Object.prototype`.
 */
const PARAMETERS: Readonly<Record<Algorithm, SignatureParameters>> = {
  RS256: ownMembers({ name: 'RSASSA-PKCS1-v1_5' }),
  RS384: ownMembers({ name: 'RSASSA-PKCS1-v1_5' }),
  RS512: ownMembers({ name: 'RSASSA-PKCS1-v1_5' }),
  // RFC 7518 §3.5: the salt is as long as the digest.
  PS256: ownMembers({ name: 'RSA-PSS', saltLength: 32 }),
  PS384: ownMembers({ name: 'RSA-PSS', saltLength: 48 }),
  PS512: ownMembers({ name: 'RSA-PSS', saltLength: 64 }),
  ES256: ownMembers({ name: 'ECDSA', hash: 'SHA-256' }),
  ES384: ownMembers({ name: 'ECDSA', hash: 'SHA-384' }),
  ES512: ownMembers({ name: 'ECDSA', hash: 'SHA-512' }),
  EdDSA: ownMembers({ name: 'Ed25519' }),
  Ed25519: ownMembers({ name: 'Ed25519' }),
}

/** For runtimes whose `node:crypto` cannot verify. Web Crypto only works by promises, so a malformed key is noticed when it is bound. */
export const signatureEngine: SignatureEngine = {
  parsePublicKey(spki: Uint8Array) {
    const pem = `-----BEGIN PUBLIC KEY-----\n${Buffer.from(spki).toString('base64')}\n-----END PUBLIC KEY-----`
    return { bindTo: (algorithm) => bind(pem, algorithm) }
  },
}

async function bind(pem: string, algorithm: Algorithm): Promise<BoundKey | undefined> {
  const key = await importSPKI(pem, algorithm).catch(() => undefined)
  if (!key) return undefined
  const signatureBytes = signatureBytesOf(algorithm, modulusBytesOf(key))
  if (signatureBytes === undefined) return undefined
  return {
    signatureBytes,
    verify: async (signingInput, signature) =>
      (await crypto.subtle.verify(PARAMETERS[algorithm], key, signature, signingInput)) === true,
  }
}

function modulusBytesOf({ algorithm }: CryptoKey): number | undefined {
  const modulusBits: unknown = Reflect.get(ownMembers(algorithm), 'modulusLength')
  return typeof modulusBits === 'number' ? Math.ceil(modulusBits / 8) : undefined
}
