import { randomBytes, randomUUID } from 'node:crypto'
import { type Client, type ClientSeed, GRANT_TYPES } from '../protocol/client.js'

/**
 * Creates a client from its description, and fills in defaults.
 *
 * @param scopes the scopes of a client that names none
 * @param now milliseconds since the epoch
 */
export function createClient(seed: ClientSeed, scopes: readonly string[], now: number): Client {
  const { clientId = randomUUID(), clientType = 'confidential' } = seed
  const isPublic = clientType === 'public'
  return Object.freeze({
    clientId,
    clientSecret: isPublic ? undefined : (seed.clientSecret ?? randomBytes(24).toString('base64url')),
    clientType,
    name: seed.name ?? 'Unnamed client',
    grantTypes: freezeUnique(
      seed.grantTypes ?? GRANT_TYPES.filter((type) => !(isPublic && type === 'client_credentials')),
    ),
    scopes: freezeUnique(seed.scopes ?? scopes),
    redirectUris: freezeUnique(
      seed.redirectUris ?? ['http://127.0.0.1/callback', 'http://localhost/callback'],
    ),
    requirePkce: seed.requirePkce ?? false,
    dpopBoundAccessTokens: seed.dpopBoundAccessTokens ?? false,
    verified: seed.verified ?? false,
    logoUri: seed.logoUri,
    policyUri: seed.policyUri,
    tosUri: seed.tosUri,
    createdAt: now,
    updatedAt: now,
  })
}

/** A frozen copy without repetitions: the public API hands it out. */
export function freezeUnique<T>(values: readonly T[]): readonly T[] {
  return Object.freeze([...new Set(values)])
}
