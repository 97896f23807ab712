import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type webcrypto,
} from 'node:crypto'
import { readFileSync } from 'node:fs'

interface RsaKeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface RsaKeyKind {
  /** In bits: 2048 by default. */
  readonly modulusLength?: number
  /** By default 65537. */
  readonly publicExponent?: number
}

/**
 * Private keys (PKCS #8, DER, base64), one in a line. They are public: nothing but these tests may use them. To generate a
 * key takes from a quarter of a second to several seconds, to read one a thousandth.
 */
const lines = readFileSync(new URL('rsa-keys.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')

const kept: RsaKeyPair[] = lines.map((line) => {
  const privateKey = createPrivateKey({ key: Buffer.from(line, 'base64'), format: 'der', type: 'pkcs8' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
})

/** Those that the present test file has taken. */
const taken = new Set<RsaKeyPair>()

/** An RSA key that the calling test file does not have yet. */
export function takeRsaKeyPair({
  modulusLength = 2048,
  publicExponent = 65_537,
}: RsaKeyKind = {}): RsaKeyPair {
  const isWanted = (pair: RsaKeyPair) => {
    const details = pair.publicKey.asymmetricKeyDetails
    return (
      details?.modulusLength === modulusLength &&
      details.publicExponent === BigInt(publicExponent) &&
      !taken.has(pair)
    )
  }
  let pair = kept.find(isWanted)
  if (pair === undefined) {
    // For the next test file too.
    pair = generateKeyPairSync('rsa', { modulusLength, publicExponent })
    kept.push(pair)
  }
  taken.add(pair)
  return pair
}

/** Called before each test file. */
export function returnRsaKeyPairs(): void {
  taken.clear()
}

const { generateKey } = crypto.subtle

/** The mock issuer generates its keys with the Web Cryptography API. This gives it the RSA keys of this worker. */
function poolGeneratedKeys(): void {
  Object.defineProperty(Object.getPrototypeOf(crypto.subtle), 'generateKey', {
    configurable: true,
    writable: true,
    async value(
      ...input: [webcrypto.RsaHashedKeyGenParams, boolean, webcrypto.KeyUsage[]]
    ): Promise<unknown> {
      const [algorithm, extractable, usages] = input
      if (algorithm.modulusLength !== 2048) return Reflect.apply(generateKey, crypto.subtle, input)
      const { privateKey, publicKey } = takeRsaKeyPair()
      const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
      const spki = publicKey.export({ format: 'der', type: 'spki' })
      const usable = (usage: webcrypto.KeyUsage) => usages.filter((each) => each === usage)
      return {
        privateKey: await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, extractable, usable('sign')),
        publicKey: await crypto.subtle.importKey('spki', spki, algorithm, true, usable('verify')),
      }
    },
  })
}

poolGeneratedKeys()
