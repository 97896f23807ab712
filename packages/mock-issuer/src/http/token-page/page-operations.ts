import { ENDPOINTS, type Endpoint } from '../../protocol/endpoints.js'
import type { RequestEntry, RequestLogs } from '../../state/request-log.js'
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../state/signing-keys.js'
import { introspectionEndpoint } from '../documents.js'
import type { Faults } from '../faults.js'
import { type IssuerState, json } from '../operation.js'
import {
  faultRemoval,
  faultRequest,
  readBody,
  revocation,
  rotation,
  type TokenRequest,
  tokenCheck,
  tokenRequest,
} from './bodies.js'
import { explainToken, type Verdict } from './checks.js'
import { type CurlLine, curlLines } from './curl.js'
import { describeFault, FAULT_KINDS } from './fault-kinds.js'

/** The parts of the issuer that the page shows and changes. */
export interface PageIssuer extends Pick<IssuerState, 'apiKey' | 'clients' | 'issuer' | 'tokens'> {
  readonly audience: string
  readonly algorithm: SigningAlgorithm
  readonly faults: Faults
  readonly log: RequestLogs
  /** Sends the requests of the checks to the issuer. */
  readonly fetch: typeof globalThis.fetch
  revoke(token: string): void
}

/** What the forms of the page offer. */
export interface PageForm {
  readonly issuer: string
  readonly audience: string
  readonly algorithm: SigningAlgorithm
  readonly algorithms: readonly SigningAlgorithm[]
  readonly clients: readonly {
    readonly id: string
    readonly name: string
    readonly scopes: readonly string[]
  }[]
  readonly endpoints: readonly Endpoint[]
  readonly faults: readonly { readonly kind: string; readonly description: string }[]
}

/** What changes while the page is open. */
export interface PageState {
  readonly keys: readonly { readonly kid: string; readonly algorithm: string }[]
  readonly faults: readonly {
    readonly endpoint: Endpoint
    readonly description: string
    /** The number of requests that still meet it; `null` for all. */
    readonly left: number | null
  }[]
  /** The last requests, newest first. */
  readonly requests: readonly Readonly<RequestEntry>[]
}

/** What the page shows of a token. */
export interface PageCheck {
  /** Whether introspection reports the token as active. */
  readonly active: boolean
  readonly verdict: Verdict
  readonly curl: readonly CurlLine[]
}

/** More clients would make the list too long to use. */
const MAX_CLIENTS = 100

/** What the page reads, by path. None of it is secret. */
export function pageViews(issuer: PageIssuer): ReadonlyMap<string, () => Promise<Response>> {
  return new Map([
    [
      '/token-page/form',
      async () => {
        const form: PageForm = {
          issuer: issuer.issuer(),
          audience: issuer.audience,
          algorithm: issuer.algorithm,
          algorithms: SIGNING_ALGORITHMS,
          clients: issuer.clients
            .list()
            .slice(0, MAX_CLIENTS)
            .map(({ clientId, name, scopes }) => ({ id: clientId, name, scopes })),
          endpoints: ENDPOINTS,
          faults: Object.entries(FAULT_KINDS).map(([kind, fault]) => ({
            kind,
            description: describeFault(fault),
          })),
        }
        return json(form)
      },
    ],
    [
      '/token-page/state',
      async () => {
        const state: PageState = {
          keys: issuer.tokens.jwks().keys.map(({ kid = '', alg = '' }) => ({ kid, algorithm: alg })),
          faults: issuer.faults.active().map(({ endpoint, fault, left }) => ({
            endpoint,
            description: describeFault(fault),
            left: Number.isFinite(left) ? left : null,
          })),
          requests: issuer.log.recent,
        }
        return json(state)
      },
    ],
  ])
}

/** What the page does, by path. A response is JSON, or nothing. */
export function pageChanges(
  issuer: PageIssuer,
): ReadonlyMap<string, (request: Request) => Promise<Response | undefined>> {
  return new Map<string, (request: Request) => Promise<Response | undefined>>([
    [
      '/token-page/issue',
      async (request) => json({ token: await issue(issuer, await readBody(request, tokenRequest)) }),
    ],
    [
      '/token-page/check',
      async (request) => {
        const { token, audience, apiUrl } = await readBody(request, tokenCheck)
        const settings = { issuer: issuer.issuer(), audience, fetch: issuer.fetch }
        const check: PageCheck = {
          active: (await issuer.tokens.activeClaims(token)) !== undefined,
          verdict: await explainToken(token, settings),
          curl: curlLines(token, apiUrl, {
            introspectionUrl: introspectionEndpoint(new URL(request.url).origin + pathOf(issuer.issuer())),
            apiKey: issuer.apiKey,
          }),
        }
        return json(check)
      },
    ],
    [
      '/token-page/revoke',
      async (request) => {
        issuer.revoke((await readBody(request, revocation)).token)
        return undefined
      },
    ],
    [
      '/token-page/rotate-keys',
      async (request) => {
        const { keepOld } = await readBody(request, rotation)
        return json({ kid: await issuer.tokens.rotateKeys(keepOld) })
      },
    ],
    [
      '/token-page/set-fault',
      async (request) => {
        const { endpoint, kind, times } = await readBody(request, faultRequest)
        issuer.faults.set(endpoint, { ...FAULT_KINDS[kind], ...(times > 0 && { times }) })
        return undefined
      },
    ],
    [
      '/token-page/clear-faults',
      async (request) => {
        issuer.faults.clear((await readBody(request, faultRemoval)).endpoint)
        return undefined
      },
    ],
  ])
}

function issue(issuer: PageIssuer, request: TokenRequest): Promise<string> {
  const { clientId, subject, scopes, audience, expiresInSeconds, algorithm } = request
  return issuer.tokens.signWithAlgorithm(algorithm, {
    scopes,
    expiresInSeconds,
    clientId: clientId || undefined,
    subject: subject || undefined,
    audience: audience || undefined,
    // Without an audience, the issuer would write its own.
    ...(audience === '' && { claims: { aud: undefined } }),
  })
}

/** The path of the issuer identifier, without a trailing slash: the operations stand below it. */
function pathOf(issuer: string): string {
  return new URL(issuer).pathname.replace(/\/$/, '')
}
