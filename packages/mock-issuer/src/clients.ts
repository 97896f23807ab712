import { randomBytes, randomUUID } from 'node:crypto'

/** A client that exists from the start. What is left out is made up. */
export interface ClientSeed {
  readonly clientId?: string
  readonly clientSecret?: string
  /** The scopes that it may ask for. Default: all of the issuer's. */
  readonly scopes?: readonly string[]
}

/** A confidential client. */
export interface Client {
  readonly clientId: string
  readonly clientSecret: string
  readonly scopes: readonly string[]
}

export function createClient(seed: ClientSeed, scopes: readonly string[]): Client {
  return Object.freeze({
    clientId: seed.clientId ?? randomUUID(),
    clientSecret: seed.clientSecret ?? randomBytes(24).toString('base64url'),
    scopes: Object.freeze([...(seed.scopes ?? scopes)]),
  })
}
