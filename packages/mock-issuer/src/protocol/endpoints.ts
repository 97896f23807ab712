/**
 * The operations of Telnyx's OAuth API, in the order of its description. An operation with several paths is one
 * endpoint. `createGrant` is the user's decision, from the consent page or from the API.
 */
export const ENDPOINTS = [
  'metadata',
  'protectedResource',
  'authorize',
  'consent',
  'createGrant',
  'token',
  'introspection',
  'jwks',
  'registration',
  'listClients',
  'createClient',
  'retrieveClient',
  'updateClient',
  'deleteClient',
  'listGrants',
  'retrieveGrant',
  'deleteGrant',
] as const

/** The name of an operation, for `requests` and `fault()` of the issuer. */
export type Endpoint = (typeof ENDPOINTS)[number]
