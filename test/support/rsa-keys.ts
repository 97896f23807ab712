import { generateKeyPairSync, type KeyObject, type webcrypto } from 'node:crypto'

interface RsaKeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** The keys that this worker has generated, and how many of them the present test file has used. */
const pool: RsaKeyPair[] = []
let used = 0

/**
 * An RSA key of 2048 bits that the calling test file does not have yet. To generate one takes a tenth of a second and more,
 * so a worker keeps its keys for the next test file.
 */
export function takeRsaKeyPair(): RsaKeyPair {
  const pair = pool[used] ?? generateKeyPairSync('rsa', { modulusLength: 2048 })
  pool[used++] = pair
  return pair
}

/** Called before each test file. */
export function returnRsaKeyPairs(): void {
  used = 0
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
