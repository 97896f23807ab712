import { existsSync, readFileSync } from 'node:fs'
import { compactVerify, errors, importSPKI } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  ALGORITHMS,
  encodeSpki,
  importJwk,
  isPending,
  nodeSignatureEngine,
  type SignatureEngine,
  verifySignature,
  webSignatureEngine,
} from '../../packages/core/src/testing.js'
import { bind } from '../support/bind-key.js'
import { type ForgeKey, makeKey, signBytes } from '../support/forge.js'
import { casesOf, publicKeys } from '../support/forged-signatures.js'
import { whilePolluted } from '../support/pollution.js'

/** Both engines and `jose` accept and refuse the same signatures, and bind the same keys to the same algorithms. */

const ENGINES: Readonly<Record<string, SignatureEngine>> = {
  node: nodeSignatureEngine,
  web: webSignatureEngine,
}
type Algorithm = (typeof ALGORITHMS)[number]

const PUBLIC_KEYS = publicKeys()

/** A key and another one of the same type: RSA keys are slow to make, and serve six algorithms. */
const pairOf = (algorithm: string) => [makeKey(algorithm), makeKey(algorithm)] as const
const RSA_PAIR = pairOf('RS256')
const PAIRS = new Map(
  ALGORITHMS.map((name) => [name, /^[RP]S/.test(name) ? RSA_PAIR : pairOf(name)] as const),
)
const keysFor = (algorithm: Algorithm) => PAIRS.get(algorithm) ?? RSA_PAIR

const spkiOf = ({ publicKey }: ForgeKey) => publicKey.export({ format: 'der', type: 'spki' })
const pemOf = (spki: Buffer) =>
  `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----`

async function joseAccepts(pem: string, algorithm: string, token: string): Promise<boolean> {
  const key = await importSPKI(pem, algorithm)
  return compactVerify(token, key, { algorithms: [algorithm] }).then(
    () => true,
    (error: unknown) => {
      expect(error).toBeInstanceOf(errors.JOSEError)
      return false
    },
  )
}

describe.each(ALGORITHMS)('%s', (algorithm) => {
  const [key, stranger] = keysFor(algorithm)
  const pem = pemOf(spkiOf(key))
  const cases = casesOf(key, stranger, algorithm, 20_260_101)

  it('both engines and jose agree about good and forged signatures', async () => {
    const [node, web] = [
      await bind(nodeSignatureEngine, spkiOf(key), algorithm),
      await bind(webSignatureEngine, spkiOf(key), algorithm),
    ]
    if (!node || !web) return expect.fail('The key was not bound')
    const wrong: object[] = []
    for (const { what, isGood, isDisputed, signingInput, signature } of cases) {
      const token = `${signingInput}.${signature.toString('base64url')}`
      const said = {
        node: await verifySignature(node, { signingInput, signature }),
        web: await verifySignature(web, { signingInput, signature }),
        jose: isDisputed ? isGood : await joseAccepts(pem, algorithm, token),
      }
      if (Object.values(said).some((accepted) => accepted !== isGood))
        wrong.push({ what, isGood, ...said, token: token.slice(0, 1000), pem })
    }
    expect(wrong).toEqual([])
    expect(cases.filter(({ isGood }) => !isGood).length).toBeGreaterThanOrEqual(40)
  })

  // Which keys may be used is decided where a JWK is imported.
  it('no engine verifies with a key of another type or curve, and jose imports none', async () => {
    for (const [name, spki, algorithms] of PUBLIC_KEYS) {
      const fits = algorithms.includes(algorithm)
      for (const [engine, each] of Object.entries(ENGINES))
        expect((await bind(each, spki, algorithm)) !== undefined, `${engine}, ${name}`).toBe(fits)
      const imported = await importSPKI(pemOf(spki), algorithm).catch(() => undefined)
      expect(imported !== undefined, `jose, ${name}`).toBe(fits)
    }
  })
})

it.each(['RS256', 'PS256'] as const)(
  '%s: a signature without its leading zero is refused (RFC 8017 §8.1.2, §8.2.2)',
  async (algorithm) => {
    const [key] = keysFor(algorithm)
    // One of 256 signatures begins with a zero.
    const signed = Array.from({ length: 10_000 }, (_, n) => Buffer.from(`a.${n}`))
    let signature: Buffer = Buffer.alloc(0)
    const signingInput = signed.find((input) => {
      signature = signBytes(input, key.privateKey, algorithm)
      return signature[0] === 0
    })
    if (!signingInput) return expect.fail('No signature begins with a zero')
    for (const engine of Object.values(ENGINES)) {
      const bound = await bind(engine, spkiOf(key), algorithm)
      if (!bound) return expect.fail('The key was not bound')
      expect(await verifySignature(bound, { signingInput, signature })).toBe(true)
      expect(await verifySignature(bound, { signingInput, signature: signature.subarray(1) })).toBe(false)
    }
  },
)

/** What Node, Web Crypto and `jose` look for in options and keys. */
const LOOKED_FOR =
  'padding saltLength dsaEncoding context key format type passphrase encoding cipher data name hash namedCurve modulusLength publicExponent algorithm usages oaepHash oaepLabel'.split(
    ' ',
  )

describe.each(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const)('%s, polluted', (algorithm) => {
  const [key] = keysFor(algorithm)
  const signingInput = Buffer.from('a.b')
  const good = { signingInput, signature: signBytes(signingInput, key.privateKey, algorithm) }
  const bad = { signingInput: Buffer.from('a.c'), signature: good.signature }

  it.each(LOOKED_FOR)('an Object.prototype with the member %s changes nothing', async (name) => {
    for (const [engine, each] of Object.entries(ENGINES)) {
      // The Web Crypto of Node reads a `passphrase` by inheritance when it imports a key, and then refuses it.
      if (engine === 'web' && name === 'passphrase') continue
      const before = await bind(each, spkiOf(key), algorithm)
      for (const value of ['der', 'SHA-1', 0, 3, -2, null, {}]) {
        const said = await whilePolluted(name, value, async () => {
          const outcomes: unknown[] = []
          for (const bound of [before, await bind(each, spkiOf(key), algorithm)])
            for (const signed of [good, bad]) outcomes.push(bound && (await verifySignature(bound, signed)))
          return outcomes
        })
        expect(said, `${engine}, ${String(value)}`).toEqual([true, false, true, false])
      }
    }
  })
})

describe('a key of small order, for which anyone can make signatures', () => {
  // The neutral point as the key, the base point as R, and 1 as S: good for every input, by RFC 8032.
  const x = `AQ${'A'.repeat(41)}`
  const signature = Buffer.concat([Buffer.from(`58${'66'.repeat(31)}01`, 'hex'), Buffer.alloc(31)])
  const signingInput = Buffer.from(`${Buffer.from('{"alg":"EdDSA"}').toString('base64url')}.e30`)

  it('is never imported', async () => {
    const spki = encodeSpki({ kty: 'OKP', crv: 'Ed25519', x })
    const bound = spki && (await bind(nodeSignatureEngine, spki, 'EdDSA'))
    // Node 20 and 22 accept the signature, Node 24 does not.
    if (bound) expect(typeof (await verifySignature(bound, { signingInput, signature }))).toBe('boolean')
    expect(await importJwk({ kty: 'OKP', crv: 'Ed25519', x })).toBe('small-order')
  })
})

describe('what would block the event loop', () => {
  /** An RSA key of this length; no one has its private key. */
  const rsa = (bits: number) =>
    encodeSpki({
      kty: 'RSA',
      n: Buffer.from(((1n << BigInt(bits - 1)) + 1n).toString(16).padStart(bits / 4, '0'), 'hex').toString(
        'base64url',
      ),
      e: 'AQAB',
    })

  it.each<[string, boolean, Algorithm, number, Buffer | undefined]>([
    ['RSA of 2048 bits', false, 'RS256', 256, rsa(2048)],
    ['RSA of 4096 bits', false, 'PS512', 512, rsa(4096)],
    ['RSA of 4104 bits', true, 'RS256', 513, rsa(4104)],
    ['P-256', false, 'ES256', 64, spkiOf(makeKey('ES256'))],
    ['P-384', true, 'ES384', 96, spkiOf(makeKey('ES384'))],
    ['P-521', true, 'ES512', 132, spkiOf(makeKey('ES512'))],
    ['Ed25519', false, 'EdDSA', 64, spkiOf(makeKey('EdDSA'))],
  ])('is verified in the thread pool: %s, %s', async (_, isAsync, algorithm, length, spki) => {
    const key = spki && (await bind(nodeSignatureEngine, spki, algorithm))
    if (!key) return expect.fail('The key was not bound')
    const signed = { signingInput: Buffer.from('a.b'), signature: Buffer.alloc(length, 1) }
    const verified = verifySignature(key, signed)
    expect(isPending(verified)).toBe(isAsync)
    expect(await verified).toBe(false)
    // A wrong length is refused without asking the engine.
    expect(verifySignature(key, { ...signed, signature: Buffer.alloc(length - 1, 1) })).toBe(false)
  })
})

describe('a key that an engine cannot read', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['no DER', Buffer.from('key')],
    ['a point that is not on the curve', encodeSpki({ kty: 'EC', crv: 'P-256', x: 'AQ', y: 'AQ' })],
  ])('is none: %s', async (_, spki) => {
    if (!spki) return expect.fail('The key was not encoded')
    for (const engine of Object.values(ENGINES)) expect(await bind(engine, spki, 'ES256')).toBeUndefined()
  })
})

describe('the package condition that chooses the engine', () => {
  const core = new URL('../../packages/core/', import.meta.url)
  const manifest: {
    imports: Record<string, Record<string, string>>
    publishConfig: { imports: Record<string, Record<string, string>> }
  } = JSON.parse(readFileSync(new URL('package.json', core), 'utf8'))
  const { '@telnyx-auth/source': source, ...published } = manifest.imports['#signature-engine'] ?? {}

  it('is "node" for node:crypto; without it, Web Crypto is used', () => {
    // The first condition that holds is taken.
    expect(Object.entries(published)).toEqual([
      ['node', './dist/token/signature-engine-node.js'],
      ['default', './dist/token/signature-engine-web.js'],
    ])
  })

  it('names files that are built, and in the published package nothing else', () => {
    expect(manifest.publishConfig.imports).toEqual({ '#signature-engine': published })
    const sources = Object.values(published).map((path) => path.replace('dist', 'src').replace('.js', '.ts'))
    expect(sources[0]).toBe(source)
    for (const path of sources) expect(existsSync(new URL(path, core)), path).toBe(true)
  })
})
