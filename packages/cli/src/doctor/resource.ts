import { createVerifier } from '@telnyx-auth/core'
import { type Challenge, parameterOf, tokenChallenges } from './challenge.js'
import { type Finding, type FindingId, good, note, skipped, undecided, wrong } from './finding.js'
import type { Answer, Exchange, Probe } from './probe.js'
import { tlsRepairOf } from './tls.js'

/** No access token: a word that every verifier refuses. */
const MADE_UP_TOKEN = 'doctor'

const SERVE_METADATA =
  'Let the adapter serve them (the option "protectedResource", on by default where the audience is one https URL), and let proxies pass requests for /.well-known/ on.'
const REACH = 'Check that the API runs, and that this machine reaches it (its address, DNS, proxy, firewall).'
const SEE_LOG =
  'Examine the issuer from the machine of the API, and start the API with NODE_DEBUG=telnyx-auth.'

/** The URLs of a resource's metadata: the path-inserted one (RFC 9728 §3.1), and the one of its origin. */
export interface ResourceUrls {
  readonly resource: string
  readonly metadata: readonly string[]
}

/** @throws {ConfigurationError} for a URL that cannot identify a resource */
export function resourceUrls(resource: string, issuer: string): ResourceUrls {
  const urlOf = (identifier: string) => {
    const options = { issuer, audience: null, protectedResource: { resource: identifier } }
    return createVerifier(options).protectedResourceMetadata()?.url ?? ''
  }
  return { resource, metadata: [...new Set([urlOf(resource), urlOf(new URL(resource).origin)])] }
}

/** Examines the user's own API from outside, as a client of it. */
export async function examineResource(
  { resource, metadata }: ResourceUrls,
  issuer: string,
  probe: Probe,
): Promise<readonly Finding[]> {
  const [documents, without, withToken] = await Promise.all([
    Promise.all(metadata.map((url) => probe.get(url))),
    probe.get(resource),
    probe.get(resource, { authorization: `Bearer ${MADE_UP_TOKEN}` }),
  ])
  return [
    ...examineMetadata(resource, metadata, documents, issuer),
    examineChallenge(without, metadata),
    examineAuthorization(without, withToken),
  ]
}

function examineMetadata(
  resource: string,
  urls: readonly string[],
  answers: readonly Answer[],
  issuer: string,
): readonly Finding[] {
  const id = 'resource-metadata'
  const found = answers.find(({ exchange }) => exchange?.status === 200)
  if (!found?.exchange) {
    const tried = answers.map((answer, index) => `${urls[index]} (${describeAnswer(answer)})`)
    const [first] = answers
    return [
      first && answers.every(isUndecided)
        ? unanswered(id, `The API has not answered for its metadata: ${tried.join(', ')}.`, first)
        : wrong(id, `The API serves no metadata: ${tried.join(', ')}.`, SERVE_METADATA),
      skipped('resource-issuer', 'There are no metadata.'),
    ]
  }
  const {
    resource: named,
    authorization_servers: servers,
  }: { resource?: unknown; authorization_servers?: unknown } = Object(found.body)
  if (typeof named !== 'string')
    return [
      wrong(id, `What ${found.exchange.url} answers is no metadata document.`, SERVE_METADATA),
      skipped('resource-issuer', 'There are no metadata.'),
    ]
  return [describeNamed(named, resource, found.exchange.url), describeServers(servers, issuer)]
}

/** RFC 9728 §3.3: clients compare the name in the document with the URL that they use. */
function describeNamed(named: string, resource: string, url: string): Finding {
  const id = 'resource-metadata'
  if (named === resource) return good(id, `The API describes itself at ${url}.`)
  const isAbove = resource.startsWith(named.endsWith('/') ? named : `${named}/`)
  return isAbove || `${named}/` === resource
    ? good(id, `The API describes itself at ${url}, under the name ${named}.`)
    : wrong(
        id,
        `The metadata at ${url} name another resource: ${named}.`,
        'Clients refuse them (RFC 9728 §3.3). Set the "audience", or "protectedResource.resource", to the URL that clients use.',
      )
}

function describeServers(servers: unknown, issuer: string): Finding {
  const id = 'resource-issuer'
  // RFC 9728 §2: an array of strings. What is no string has no text: `String()` of a document may throw.
  const listed: readonly unknown[] = Array.isArray(servers) ? servers : []
  const names = listed.filter((name) => typeof name === 'string')
  if (names.includes(issuer)) return good(id, 'The metadata of the API name this issuer.')
  return wrong(
    id,
    `The metadata of the API name other issuers than ${issuer}: ${names.join(', ') || 'none'}.`,
    'Clients get their tokens from another issuer. Set the option "issuer" (TELNYX_AUTH_ISSUER) of the API, or examine that issuer.',
  )
}

/** The answer to a request without a token (RFC 6750 §3, RFC 9728 §5.1). */
function examineChallenge(answer: Answer, metadata: readonly string[]): Finding {
  const id = 'resource-challenge'
  const { exchange } = answer
  const said = `A request without a token: ${describeAnswer(answer)}`
  if (!exchange || isUndecided(answer)) return unanswered(id, `${said}.`, answer)
  if (exchange.status !== 401) return noChallenge(exchange.status, said)
  const header = exchange.headers.get('www-authenticate')
  const challenges = tokenChallenges(header)
  if (challenges.length === 0)
    return wrong(
      id,
      `${said}, ${header === null ? 'without the header WWW-Authenticate' : 'with a WWW-Authenticate that has no challenge for access tokens'}.`,
      'Clients do not learn how to get a token. Let the proxy pass the header WWW-Authenticate on; a 401 of the proxy itself, or of other middleware, has none.',
    )
  return describeNamedMetadata(challenges, said, metadata)
}

function describeNamedMetadata(
  challenges: readonly Challenge[],
  said: string,
  metadata: readonly string[],
): Finding {
  const id = 'resource-challenge'
  const named = parameterOf(challenges, 'resource_metadata')
  if (named === undefined)
    return note(
      id,
      `${said}, with a challenge that names no metadata.`,
      'MCP clients need "resource_metadata" in the challenge. Set the option "protectedResource" of the adapter.',
    )
  return metadata.includes(named)
    ? good(id, `${said}, with a challenge that names the metadata.`)
    : wrong(
        id,
        `${said}, with a challenge that names metadata elsewhere: ${named}.`,
        'Clients look there. Set the "audience", or "protectedResource.resource", to the URL that clients use.',
      )
}

function noChallenge(status: number, said: string): Finding {
  const id = 'resource-challenge'
  if (status >= 200 && status < 300)
    return note(
      id,
      `${said}: it is answered.`,
      'If this URL should need a token, put telnyxAuth before its route. With "optional", this is as it should be.',
    )
  return wrong(
    id,
    `${said}, not 401.`,
    'Name a URL that needs a token, and to which a client may send GET, as clients write it. A redirect, a 403 or a 404 may come from a proxy.',
  )
}

/** Whether a token reaches the API: its refusal must say so (RFC 6750 §3.1). */
function examineAuthorization(without: Answer, withToken: Answer): Finding {
  const id = 'resource-authorization'
  const { exchange } = withToken
  const said = `A request with a made-up token: ${describeAnswer(withToken)}`
  if (!exchange || isUndecided(withToken)) return unanswered(id, `${said}.`, withToken)
  const error = errorOf(exchange)
  if (exchange.status === 401 && error === 'invalid_token' && errorOf(without.exchange) === error)
    return note(
      id,
      `${said}, ${error}, but that is the answer also without a token: it does not show that the token reaches the API.`,
      'Answer a request without a token without an error (RFC 6750 §3.1), as telnyxAuth does. A proxy may answer for the API.',
    )
  if (exchange.status === 401 && error === 'invalid_token')
    return good(id, 'The header Authorization reaches the API: a made-up token is refused as invalid_token.')
  if (exchange.status >= 200 && exchange.status < 300)
    return wrong(
      id,
      `${said}: it is accepted.`,
      'Put telnyxAuth before the route. If it is there with "optional", a proxy takes the header Authorization away.',
    )
  if (without.exchange?.status !== exchange.status)
    return wrong(id, `${said}${error === undefined ? '' : `, ${error}`}.`, SEE_LOG)
  return exchange.status === 401
    ? wrong(
        id,
        `${said}, the same as without one: the token does not reach the API.`,
        'Let the proxy in front of the API pass the header Authorization on.',
      )
    : skipped(id, 'The API does not answer this URL with 401.')
}

/** The error that the challenge names. */
function errorOf(exchange: Exchange | undefined): string | undefined {
  return exchange && parameterOf(tokenChallenges(exchange.headers.get('www-authenticate')), 'error')
}

/** The finding where there is no answer, or one that may be another in a minute. A fault of TLS needs a repair. */
function unanswered(id: FindingId, message: string, answer: Answer): Finding {
  if (answer.exchange) return undecided(id, message, SEE_LOG)
  const repair = tlsRepairOf(answer.failure)
  return repair === undefined ? undecided(id, message, REACH) : wrong(id, message, repair)
}

/** No answer, or one that may be another in a minute. */
function isUndecided({ exchange }: Answer): boolean {
  return exchange === undefined || exchange.status >= 500 || exchange.status === 429
}

function describeAnswer(answer: Answer): string {
  return answer.exchange ? `status ${answer.exchange.status}` : answer.failure
}
