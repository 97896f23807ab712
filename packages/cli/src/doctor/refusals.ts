import { describeAnswer, FROM_INSIDE, isUndecided, refusalCodeOf, SEE_LOG, unanswered } from './answer.js'
import { type Challenge, parameterOf, tokenChallenges } from './challenge.js'
import { type Finding, good, note, skipped, wrong } from './finding.js'
import type { Answer } from './probe.js'

/** The answer to a request without a token (RFC 6750 §3, RFC 9728 §5.1). */
export function examineChallenge(answer: Answer, metadata: readonly string[]): Finding {
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
        `Clients look there. Set the "audience", or "protectedResource.resource", to the URL that clients use. ${FROM_INSIDE}`,
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
  // The status of a route, or of no route: a guard in front of it would have answered 401.
  const isUnguarded = [404, 405, 406].includes(status)
  return wrong(
    id,
    `${said}, not 401.`,
    isUnguarded
      ? 'No guard has covered this path: put telnyxAuth before its route; for @telnyx-auth/mcp, set "path" (or "audience") to where the endpoint is. If clients use another URL, name that one.'
      : 'Name a URL that needs a token, and to which a client may send GET, as clients write it. A redirect or a 403 may come from a proxy.',
  )
}

/** Whether a token reaches the API: its refusal must say so (RFC 6750 §3.1). */
export function examineAuthorization(without: Answer, withToken: Answer): Finding {
  const id = 'resource-authorization'
  const { exchange } = withToken
  const said = `A request with a made-up token: ${describeAnswer(withToken)}`
  if (!exchange || isUndecided(withToken)) return unanswered(id, `${said}.`, withToken)
  const challenges = tokenChallenges(exchange.headers.get('www-authenticate'))
  const error = parameterOf(challenges, 'error')
  if (exchange.status === 401 && error === 'invalid_token' && errorOf(without) === error)
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
  if (exchange.status !== 401) return skipped(id, 'The API does not answer this URL with 401.')
  // The body has the code also where a proxy has taken the challenge away.
  const code = refusalCodeOf(withToken)
  if (code !== undefined && code !== 'ERR_TOKEN_MISSING')
    return good(id, `The header Authorization reaches the API: a made-up token is refused as ${code}.`)
  if (code === undefined && challenges.length === 0)
    return skipped(
      id,
      'This cannot be told while a challenge for access tokens is missing in WWW-Authenticate.',
    )
  return wrong(
    id,
    `${said}, the same as without one: the token does not reach the API.`,
    'Let the proxy in front of the API pass the header Authorization on.',
  )
}

/** The error that the challenge names. */
function errorOf({ exchange }: Answer): string | undefined {
  return exchange && parameterOf(tokenChallenges(exchange.headers.get('www-authenticate')), 'error')
}
