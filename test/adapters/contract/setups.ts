import { type AuthenticatableRequest, getBearerToken } from '@telnyx-auth/core'
import type { MockIssuer } from '@telnyx-auth/mock-issuer'
import { AUDIENCE } from '../../support/outcome.js'
import type { Route, Setup } from './harness.js'

/** The routes of every API of the suite. */
const routes: readonly Route[] = [
  {
    path: '/me',
    handle: ({ property, getAuth }) => {
      const auth = getAuth()
      return { subject: auth.subject, scopes: auth.scopes, same: property === auth }
    },
  },
  { path: '/whoami', handle: ({ property }) => ({ anonymous: property === undefined }) },
  { path: '/form', method: 'POST', handle: () => 'never' },
  { path: '/caller', demands: [{}], handle: () => 'caller' },
  { path: '/read', demands: [['read']], handle: () => 'read' },
  { path: '/read', method: 'POST', demands: [['write']], handle: () => 'written' },
  { path: '/both', demands: [['read', 'write']], handle: () => 'both' },
  { path: '/twice', demands: [['read'], { scopes: ['write'] }], handle: () => 'twice' },
  { path: '/any', demands: [{ anyScope: ['read', 'write'] }], handle: () => 'any' },
  { path: '/offline', demands: [['read', 'offline_access']], handle: () => 'offline' },
  { path: '/gold', demands: [{ acrValues: ['urn:gold', 'urn:platinum'] }], handle: () => 'gold' },
  { path: '/fresh', demands: [{ maxAgeSeconds: 300 }], handle: () => 'fresh' },
  {
    path: '/pay',
    demands: [{ scopes: ['pay'], acrValues: ['urn:gold'], maxAgeSeconds: 300 }],
    handle: () => 'paid',
  },
  { path: '/rejects', demands: [{ validate: () => false }], handle: () => 'never' },
  {
    path: '/breaks',
    demands: [{ validate: () => Promise.reject(new Error('my database is down')) }],
    handle: () => 'never',
  },
  {
    path: '/throws',
    handle: () => {
      throw new Error('mine')
    },
  },
  // What the application has at the path of the metadata, for other methods.
  { path: '/.well-known/oauth-protected-resource', method: 'POST', handle: () => 'mine' },
]

function headerOf({ headers }: AuthenticatableRequest, name: string): string | undefined {
  return headers instanceof Headers
    ? (headers.get(name) ?? undefined)
    : Object.entries(headers)
        .find(([each]) => each === name)?.[1]
        ?.toString()
}

const described = {
  resourceName: 'Messages',
  documentation: 'https://docs.example.com/messages',
  scopes: ['read', 'write', 'offline_access'],
  resource_policy_uri: 'https://example.com/policy',
  'resource_name#de': 'Nachrichten',
}

/** The APIs of the suite, by name. */
const setups = {
  default: {},
  /** One policy for all routes. */
  policy: { options: { scopes: ['read', 'offline_access'], anyScope: ['write', 'admin'] } },
  /** A policy for all routes that asks for more than scopes. */
  stepUp: { options: { acrValues: ['urn:gold'], maxAgeSeconds: 300 } },
  /** `telnyxAuth` in each route. */
  inRoute: { placement: 'route' },
  inRoutePolicy: { placement: 'route', options: { scopes: ['base'] } },
  /** A resource whose identifier has a path, as MCP servers have. */
  path: { options: { audience: 'https://api.example.com/mcp' } },
  slash: { options: { audience: 'https://api.example.com/mcp/' } },
  query: { options: { audience: 'https://api.example.com/mcp?tenant=1' } },
  root: { options: { audience: 'https://api.example.com/' } },
  /** An audience that is no URL. */
  urn: { options: { audience: 'urn:example:api' } },
  several: { options: { audience: [AUDIENCE, 'https://other.example.com'] } },
  named: { options: { audience: 'urn:example:api', protectedResource: { resource: AUDIENCE } } },
  described: { options: { protectedResource: described } },
  undescribed: { options: { protectedResource: false } },
  hierarchy: {
    options: {
      scopeImplies: (granted: string, required: string) => granted === 'read' && required === 'write',
    },
  },
  /** The token is in another header; an empty one is as good as none. */
  getToken: {
    options: {
      getToken: (request: AuthenticatableRequest) => headerOf(request, 'x-access-token') || undefined,
    },
  },
  /** Bearer credentials that begin with KEY are judged elsewhere. */
  apiKeys: {
    optional: true,
    options: {
      getToken: (request: AuthenticatableRequest) => {
        const credential = getBearerToken(request)
        return credential?.startsWith('KEY') ? undefined : credential
      },
    },
  },
  brokenGetToken: {
    optional: true,
    options: {
      getToken: () => {
        throw new Error('mine')
      },
    },
  },
  small: { options: { maxTokenBytes: 1000 } },
  optional: { optional: true },
  handled: { errors: 'handled' },
  unhandled: { errors: 'unhandled' },
  headers: {
    headers: {
      'Access-Control-Allow-Origin': 'https://app.example.com',
      'Access-Control-Expose-Headers': 'WWW-Authenticate',
    },
  },
  down: { options: { fetch: () => Promise.reject(new TypeError('fetch failed')) } },
  optionalDown: { optional: true, options: { fetch: () => Promise.reject(new TypeError('fetch failed')) } },
} satisfies Record<string, Partial<Setup>>

export type SetupName = keyof typeof setups

/** An API of the suite; `fetch` reaches the issuer. */
export function createSetup(name: SetupName, fetch: MockIssuer['fetch']): Setup {
  const setup: Partial<Setup> = setups[name]
  return { ...setup, routes, options: { audience: AUDIENCE, fetch, ...setup.options } }
}
