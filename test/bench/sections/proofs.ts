import { hash, randomUUID, sign, verify } from 'node:crypto'
import { type AuthenticatableRequest, createVerifier } from '@telnyx-auth/core'
import type { Plan } from '../plan.js'
import { type Report, spread } from '../report.js'
import { interleave, timed } from '../rounds.js'
import { AUDIENCE, createClaims, createKey, ISSUER, signToken } from '../tokens.js'
import { FLOOR, OURS } from '../verifiers.js'

const PLAIN = `${OURS}, a Bearer token`

/** Requests with a proof of possession (RFC 9449): the token is cached, and each proof is new. */
export async function measureProofs(plan: Plan): Promise<Report> {
  const [issuerKey, clientKey] = [createKey('ES256'), createKey('ES256', 'client')]
  const { crv = '', kty, x = '', y = '' } = clientKey.jwk
  const jwk = { crv, kty, x, y }
  const jkt = hash('sha256', JSON.stringify(jwk), 'base64url')
  const token = signToken(issuerKey, { ...createClaims(), cnf: { jkt } })
  const bearer = signToken(issuerKey)
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: { keys: [issuerKey.jwk] },
    dpop: 'optional',
  })

  const header = encode({ typ: 'dpop+jwt', alg: 'ES256', jwk })
  const ath = hash('sha256', token, 'base64url')
  const iat = () => Math.floor(Date.now() / 1000)
  const signed = () =>
    `${header}.${encode({ jti: randomUUID(), htm: 'GET', htu: `${AUDIENCE}/me`, iat: iat(), ath })}`
  const options = { key: clientKey.privateKey, dsaEncoding: 'ieee-p1363' } as const
  const requestOf = (headers: Record<string, string>): AuthenticatableRequest => ({
    method: 'GET',
    url: '/me',
    headers,
  })
  const next = () => {
    const input = signed()
    const proof = `${input}.${sign('sha256', Buffer.from(input), options).toString('base64url')}`
    return requestOf({ authorization: `DPoP ${token}`, dpop: proof })
  }
  const ours = (request: AuthenticatableRequest) => verifier.authenticate(request)

  // Nothing is measured that does not do its work.
  const once = next()
  await ours(once)
  const isReplay = await ours(once).then(
    () => false,
    () => true,
  )
  if (!isReplay) throw new Error('A proof was accepted twice')

  const key = { key: clientKey.publicKey, dsaEncoding: 'ieee-p1363' } as const
  const nextSignature = () => {
    const input = Buffer.from(signed())
    return { input, signature: sign('sha256', input, options) }
  }
  const figures = await interleave(
    [
      timed(OURS, next, ours),
      timed(FLOOR, nextSignature, ({ input, signature }) => verify('sha256', input, key, signature)),
      timed(PLAIN, () => requestOf({ authorization: `Bearer ${bearer}` }), ours),
    ],
    plan,
  )
  const ratio = figures.ratio(OURS, FLOOR)
  const inMicroseconds = (name: string) => {
    const { median, lowest, highest, uncertainty } = figures.spread(name)
    return spread({ median: median / 1000, lowest: lowest / 1000, highest: highest / 1000, uncertainty })
  }
  return {
    title: 'Proof of possession',
    notes: [
      '`await verifier.authenticate(request)` with `Authorization: DPoP`, ES256: the token was verified before, the proof is new each time, and is remembered. Beside it stands `crypto.verify` for the signature of a proof alone, and a Bearer token with the same verifier.',
    ],
    tables: [
      {
        title: 'Microseconds for a request',
        columns: [OURS, FLOOR, PLAIN, `${OURS} / ${FLOOR}`],
        rows: [[...[OURS, FLOOR, PLAIN].map(inMicroseconds), spread(ratio)]],
      },
    ],
    reached: { proofs: ratio },
    panels: [],
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
