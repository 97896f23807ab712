import { breakSignature, createClaims, createKey, ISSUER, type SigningKey, signToken } from './tokens.js'

/** Tokens of each kind, of one length with good ones where their kind allows. */
export function createBadTokens(
  key: SigningKey,
  count: number,
  { issuer, longest }: { issuer: string; longest: number } = { issuer: ISSUER, longest: 16_384 },
): Map<string, string[]> {
  const stranger = createKey(key.algorithm)
  const past = Math.floor(Date.now() / 1000) - 3600
  const claims = () => createClaims(issuer)
  const kinds: Record<string, (index: number) => string> = {
    expired: () => signToken(key, { ...claims(), exp: past }),
    'wrong audience': () => signToken(key, { ...claims(), aud: 'https://other.example' }),
    'unknown key': (index) => signToken({ ...stranger, kid: `other-${index}` }, claims()),
    'bad signature': () => breakSignature(signToken(key, claims())),
    malformed: () => signToken(key, claims()).replace(/.{10}(?=\.[^.]*$)/, ''),
    [`${Math.floor(longest / 1024)} KiB of dots`]: () => '.'.repeat(longest),
  }
  return new Map(
    Object.entries(kinds).map(([kind, create]) => [
      kind,
      Array.from({ length: count }, (_, index) => create(index)),
    ]),
  )
}
