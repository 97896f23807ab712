import { expect, it } from 'vitest'
import {
  boundToken,
  makeDpopVerifier,
  proofClaims,
  proofFor,
  proofHeader,
  publicJwk,
  requestWith,
} from '../support/dpop.js'
import { encode, ForgedIssuer, type ForgeKey, forge, makeKey, segmentsOf } from '../support/forge.js'
import { flip } from '../support/forged-bytes.js'
import { scale } from '../support/scale.js'

/** Mutations of good proofs: none is accepted. At least 20,000 in a soak run, in the suite a part of each kind. */

const issuerKey = makeKey('ES256', 'issuer')
const stranger = makeKey('ES256', 'stranger')
const KEYS = ['ES256', 'Ed25519', 'RS256'].map((algorithm) => makeKey(algorithm, `client-${algorithm}`))
const PER_KEY = Math.ceil(scale(4000, 20_000) / KEYS.length)

/** Values that a member may be changed to. */
const VALUES: readonly unknown[] = [
  undefined,
  null,
  '',
  'x',
  0,
  -1,
  true,
  [],
  {},
  'none',
  'GET ',
  ' ',
  '\u0000',
  Number.MAX_VALUE,
]

/** Every kind of mutation of a good proof, without end. The same in each run. */
function* mutationsOf(key: ForgeKey, token: string): Generator<string> {
  const next = () => proofFor(key, token)
  for (let round = 0; ; round++) {
    const proof = next()
    const parts = segmentsOf(proof)
    const [header, payload, signature] = parts
    const [, otherPayload, otherSignature] = segmentsOf(next())
    const position = (length: number, step: number) => (round * step) % length

    for (const index of [0, 1, 2] as const) {
      const bytes = Buffer.from(parts[index], 'base64url')
      for (const step of [7, 13, 101]) {
        const changed = flip(bytes, position(bytes.length * 8, step)).toString('base64url')
        yield parts.with(index, changed).join('.')
      }
      yield parts.with(index, bytes.subarray(0, position(bytes.length, 3)).toString('base64url')).join('.')
      yield parts
        .with(index, Buffer.concat([bytes, Buffer.from([round & 255])]).toString('base64url'))
        .join('.')
      yield parts.with(index, '').join('.')
    }

    const at = position(proof.length, 17)
    yield proof.slice(0, at)
    yield proof.slice(at + 1)
    yield `${proof.slice(0, at)}${proof.slice(at + 1)}`
    yield `${proof.slice(0, at)}${'-_Az09.,= \t'[round % 11]}${proof.slice(at)}`
    yield `${proof.slice(0, at)}${proof.slice(at).toUpperCase()}!`

    yield `${header}.${otherPayload}.${signature}`
    yield `${header}.${payload}.${otherSignature}`
    yield `${payload}.${header}.${signature}`
    yield `${header}.${payload}.${signature}.${signature}`
    yield `${proof}.${next()}`
    yield `${proof},${next()}`
    yield `${encode(proofHeader(stranger))}.${payload}.${signature}`
    yield token

    // Signed again, by a key that is not the client's.
    const claims = Object.entries(proofClaims(token))
    const [name = ''] = claims[round % claims.length] ?? []
    const any = VALUES[round % VALUES.length]
    // Every other string is a good jti.
    const value = name === 'jti' && typeof any === 'string' ? '' : any
    yield proofFor(key, token, { claims: { [name]: value }, signer: stranger })
    yield proofFor(key, token, { claims: { [name]: value }, signer: stranger, algorithm: 'ES256' })
    yield proofFor(stranger, token, { claims: { [name]: value } })
    yield forge(
      proofHeader(stranger, { jwk: { ...publicJwk(stranger), kid: round } }),
      proofClaims(token),
      stranger,
    )

    // Signed by the client, so that only one check can refuse it.
    yield proofFor(key, token, { claims: { [name]: value } })
    const headerName = ['typ', 'alg', 'jwk', 'crit'][round % 4] ?? ''
    yield proofFor(key, token, { header: { [headerName]: headerName === 'crit' ? [`x${round}`] : value } })
    const jwk = publicJwk(key)
    const member = Object.keys(jwk)[round % Object.keys(jwk).length] ?? ''
    yield proofFor(key, token, { header: { jwk: { ...jwk, [member]: value } } })
    yield proofFor(key, token, { header: { jwk: publicJwk(stranger) } })
  }
}

it.each(KEYS)('O1: mutations of good proofs of $algorithm are refused, each of them', async (key) => {
  const verifier = makeDpopVerifier(new ForgedIssuer(issuerKey))
  const token = boundToken(issuerKey, key)
  const codes = new Map<string, number>()
  const accepted: string[] = []
  const send = (proof: string) => verifier.authenticate(requestWith(token, proof))
  expect((await send(proofFor(key, token))).subject).toBe('user-1')

  let tried = 0
  for (const mutation of mutationsOf(key, token)) {
    const code: string = await send(mutation).then(
      () => 'accepted',
      (error: unknown) => String(Object(error).code),
    )
    codes.set(code, (codes.get(code) ?? 0) + 1)
    if (code === 'accepted') accepted.push(mutation)
    if (++tried >= PER_KEY) break
  }

  const good = accepted.map((proof) =>
    segmentsOf(proof).map((part) => Buffer.from(part, 'base64url').toString('latin1')),
  )
  expect(good).toEqual([])
  expect(tried).toBe(PER_KEY)
  // Nothing else than these happens: no TypeError, no outage.
  expect([...codes.keys()].toSorted()).toEqual(['ERR_BINDING_MISMATCH', 'ERR_DPOP_PROOF_INVALID'])
  // Positive control: afterwards, good proofs are accepted as before.
  expect((await send(proofFor(key, token))).subject).toBe('user-1')
})
