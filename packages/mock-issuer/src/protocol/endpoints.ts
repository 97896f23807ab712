/**
 * The operations of Telnyx's OAuth API, in the order of its description. Each can be watched and made to fail. What
 * has two spellings is one endpoint, and so are the well-known documents wherever they are asked for; `createGrant`
 * is the user's decision, whether it comes from the consent page or from the API.
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

/** An operation that can be watched and made to fail. */
export type Endpoint = (typeof ENDPOINTS)[number]
