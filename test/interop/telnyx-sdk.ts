import { createHash, randomBytes } from 'node:crypto'
import { createMockIssuer, type MockIssuer, type MockIssuerOptions } from '@telnyx-auth/mock-issuer'
import Telnyx, { type ClientOptions } from 'telnyx'
import { onTestFinished } from 'vitest'
import { rejectionOf } from '../support/oauth-requests.js'

/** The official SDK in front of a mock issuer, over HTTP. */
export interface Redirected {
  readonly issuer: MockIssuer
  readonly url: string
  readonly sdk: Telnyx
}

export async function startIssuer(
  issuerOptions: MockIssuerOptions = {},
  sdkOptions: ClientOptions = {},
): Promise<Redirected> {
  const issuer = await createMockIssuer({ algorithm: 'ES256', ...issuerOptions })
  onTestFinished(() => issuer.close())
  const url = await issuer.listen()
  return { issuer, url, sdk: createSdk(url, { apiKey: issuer.apiKey, ...sdkOptions }) }
}

/** Independent of the environment, and without retries, because each retry would wait. */
export function createSdk(url: string, options: ClientOptions): Telnyx {
  return new Telnyx({
    apiKey: null,
    clientID: null,
    clientSecret: null,
    baseURL: `${url}/v2`,
    maxRetries: 0,
    ...options,
  })
}

/** What the SDK throws for an answer, or for none. */
export async function refusalOf(call: Promise<unknown>): Promise<InstanceType<typeof Telnyx.APIError>> {
  const error = await rejectionOf(call)
  if (error instanceof Telnyx.APIError) return error
  throw new Error('Not an error of the SDK', { cause: error })
}

/** The SDK's types leave open whether there is one. */
export function dataOf<T>({ data }: { data?: T }): T {
  if (data === undefined) throw new TypeError('The body has no member "data"')
  return data
}

export function secretOf({ client_secret: secret }: { client_secret?: string | null }): string {
  if (typeof secret !== 'string') throw new TypeError('The client has no secret')
  return secret
}

/** The consent page is for people: what stands for it is in its form. */
export function consentTokenOf(page: string): string {
  const [, token] = /<input type="hidden" name="consent_token" value="([^"]+)">/.exec(page) ?? []
  if (token === undefined) throw new TypeError('This is not the consent page')
  return token
}

/** RFC 7636 §4.1 and §4.2 */
export function createPkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** The operations, numbered as in the API description; each is one method of the SDK. */
export const OPERATIONS: readonly (readonly [number: number, method: string, path: string])[] = [
  [1, 'GET', '/v2/.well-known/oauth-authorization-server'],
  [2, 'GET', '/v2/.well-known/oauth-protected-resource'],
  [3, 'GET', '/v2/oauth/authorize'],
  [4, 'GET', '/v2/oauth/consent/{consent_token}'],
  [5, 'POST', '/v2/oauth/grants'],
  [6, 'POST', '/v2/oauth/token'],
  [7, 'POST', '/v2/oauth/introspect'],
  [8, 'GET', '/v2/oauth/jwks'],
  [9, 'POST', '/v2/oauth/register'],
  [10, 'GET', '/v2/oauth_clients'],
  [11, 'POST', '/v2/oauth_clients'],
  [12, 'GET', '/v2/oauth_clients/{id}'],
  [13, 'PUT', '/v2/oauth_clients/{id}'],
  [14, 'DELETE', '/v2/oauth_clients/{id}'],
  [15, 'GET', '/v2/oauth_grants'],
  [16, 'GET', '/v2/oauth_grants/{id}'],
  [17, 'DELETE', '/v2/oauth_grants/{id}'],
]

/** A request of the SDK and its answer: names, but no values. */
export interface Exchange {
  readonly number: number
  readonly asked: string
  readonly status: number
  readonly answered: string
}

/** The global `fetch`, which remembers what went through it. A request for anything else than an operation is refused. */
export function createRecorder(): { fetch: typeof globalThis.fetch; exchanges: readonly Exchange[] } {
  const exchanges: Exchange[] = []
  return {
    exchanges,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const { pathname, searchParams } = new URL(request.url)
      const [number, method, path] = operationOf(request.method, pathname)
      const sent = await request.clone().text()
      const response = await fetch(request)
      const asked = [method, path + queryShape(searchParams), bodyShape(request.headers, sent)]
      exchanges.push({
        number,
        asked: asked.filter((part) => part !== '').join(' '),
        status: response.status,
        answered: bodyShape(response.headers, await response.clone().text()) || 'without a body',
      })
      return response
    },
  }
}

/** One line for each exchange, in the order of the API description; what went the same way twice is told once. */
export function tableOf(exchanges: readonly Exchange[]): string {
  const lines = exchanges
    .toSorted((a, b) => a.number - b.number)
    .map(
      ({ number, asked, status, answered }) =>
        `${String(number).padStart(2)}  ${asked}\n    ${status} ${answered}`,
    )
  return [...new Set(lines)].join('\n')
}

function operationOf(method: string, pathname: string): readonly [number, string, string] {
  const found = OPERATIONS.find(
    ([, itsMethod, path]) => itsMethod === method && pathExpression(path).test(pathname),
  )
  if (!found) throw new Error(`The SDK asked for something else: ${method} ${pathname}`)
  return found
}

function pathExpression(path: string): RegExp {
  const pattern = path.replaceAll('.', '\\.').replace(/\{\w+\}/, '[^/]+')
  return new RegExp(`^${pattern}$`)
}

function queryShape(query: URLSearchParams): string {
  return query.size === 0 ? '' : `?${[...query.keys()].join('&')}`
}

function bodyShape(headers: Headers, body: string): string {
  const type = headers.get('content-type')?.split(';')[0]
  if (type === 'application/json') return body === '' ? '' : shapeOf(JSON.parse(body))
  if (type === 'application/x-www-form-urlencoded')
    return `form(${[...new URLSearchParams(body).keys()].join(', ')})`
  return body === '' ? '' : `${type}, ${/<title>(.*)<\/title>/.exec(body)?.[1] ?? 'no title'}`
}

/** The members of a document, and of those that are documents themselves. */
function shapeOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.length === 0 ? '' : shapeOf(value[0])}]`
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  const members = Object.entries(value).map(([name, member]) =>
    typeof member === 'object' && member !== null ? `${name}: ${shapeOf(member)}` : name,
  )
  return `{${members.join(', ')}}`
}
