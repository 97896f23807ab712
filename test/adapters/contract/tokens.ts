import type { MockIssuer } from '@telnyx-auth/mock-issuer'

type TokenOptions = Exclude<Parameters<MockIssuer['issueToken']>[0], undefined>

/** The time of the suite, in seconds since the epoch. It stands still. */
export const NOW: number = Date.UTC(2026, 10, 23, 12) / 1000

const options = {
  good: {},
  read: { scopes: ['read'] },
  both: { scopes: ['read', 'write'] },
  all: { scopes: ['base', 'read', 'write'] },
  offline: { scopes: ['read', 'write', 'offline_access'] },
  similar: { scopes: ['read:all', 'READ'] },
  other: { subject: 'user-2' },
  expired: { expiresInSeconds: -60 },
  early: { claims: { nbf: NOW + 60 } },
  foreign: { audience: 'https://other.example.com' },
  prefix: { audience: 'https://api.example.com/' },
  mcp: { audience: 'https://api.example.com/mcp' },
  urn: { audience: 'urn:example:api' },
  stranger: { claims: { iss: 'https://api.telnyx.com/' } },
  'unknown key': { header: { kid: 'another' } },
  'id token': { header: { typ: 'id+jwt' } },
  hmac: { header: { alg: 'HS256' } },
  unsigned: { header: { alg: 'none' } },
  'without exp': { claims: { exp: undefined } },
  'bad scope': { claims: { scope: ['read', 1] } },
  'bound by DPoP': { claims: { cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } } },
  'bound by mTLS': { claims: { cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' } } },
  'bound somehow': { claims: { cnf: { osc: {} } } },
  gold: { claims: { acr: 'urn:gold', auth_time: NOW - 60 } },
  silver: { claims: { acr: 'urn:silver', auth_time: NOW - 60 } },
  'gold prefix': { claims: { acr: 'urn:gol' } },
  'gold list': { claims: { acr: ['urn:gold'] } },
  'just fresh': { claims: { auth_time: NOW - 305 } },
  stale: { claims: { acr: 'urn:gold', auth_time: NOW - 306 } },
  'from the future': { claims: { auth_time: NOW + 6 } },
  'a word for a time': { claims: { auth_time: String(NOW) } },
  'gold and may pay': { scopes: ['pay'], claims: { acr: 'urn:gold', auth_time: NOW } },
} satisfies Record<string, TokenOptions>

/** Every token that the cases name. */
export async function issueTokens(issuer: MockIssuer): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map<string, string>()
  for (const [name, token] of Object.entries<TokenOptions>(options))
    tokens.set(name, await issuer.issueToken({ subject: 'user-1', scopes: [], ...token }))

  const [header, , signature] = tokens.get('good')?.split('.') ?? []
  const [, payload] = tokens.get('both')?.split('.') ?? []
  tokens.set('tampered', [header, payload, signature].join('.'))
  tokens.set('huge', 'a'.repeat(1001))
  return tokens
}
