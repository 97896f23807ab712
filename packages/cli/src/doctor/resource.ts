import { createVerifier } from '@telnyx-auth/core'
import { describeAnswer, FROM_INSIDE, isUndecided, unanswered } from './answer.js'
import { examineResourceClock } from './clock.js'
import { type Finding, good, skipped, wrong } from './finding.js'
import type { Answer, Exchange, Probe } from './probe.js'
import { examineAuthorization, examineChallenge } from './refusals.js'

/** No access token: a word that every verifier refuses. */
const MADE_UP_TOKEN = 'doctor'

const SERVE_METADATA =
  'Let the adapter serve them (the option "protectedResource", on by default where the audience is one https URL), and let proxies pass requests for /.well-known/ on.'

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
  // Before the requests to the API: those to the issuer only.
  const ofIssuer = [...probe.exchanges]
  const [documents, without, withToken] = await Promise.all([
    Promise.all(metadata.map((url) => probe.get(url))),
    probe.get(resource),
    probe.get(resource, { authorization: `Bearer ${MADE_UP_TOKEN}` }),
  ])
  return [
    ...examineMetadata(resource, metadata, documents, issuer),
    examineChallenge(without, metadata),
    examineAuthorization(without, withToken),
    examineResourceClock(exchangesOf([...documents, without, withToken]), ofIssuer),
  ]
}

function exchangesOf(answers: readonly Answer[]): readonly Exchange[] {
  return answers.flatMap(({ exchange }) => exchange ?? [])
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
    return first && answers.every(isUndecided)
      ? [
          unanswered(id, `The metadata of the API cannot be read: ${tried.join(', ')}.`, first),
          skipped('resource-issuer', 'Not examined: what comes before it does not work.'),
        ]
      : [
          wrong(id, `The API serves no metadata: ${tried.join(', ')}.`, SERVE_METADATA),
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
        `Clients refuse them (RFC 9728 §3.3). Set the "audience", or "protectedResource.resource", to the URL that clients use. ${FROM_INSIDE}`,
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
