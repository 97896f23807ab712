import type { MockIssuer } from '../mock-issuer.js'
import type { Client } from '../protocol/client.js'
import { codeChallengeOf } from '../protocol/pkce.js'
import { shellWord } from '../protocol/shell-word.js'

/**
 * The text that the command prints for a running issuer: its URLs, its clients, and lines to paste into a shell.
 *
 * @param url the base URL of the server
 */
export function usageOf(issuer: MockIssuer, url: string): string {
  const { pathname } = new URL(issuer.issuer)
  const path = pathname.replace(/\/$/, '')
  const base = url + path
  const { clients, apiKey, audience, tokenPageUrl } = issuer
  // Set for one command only: exported variables would override the issuer of tests in the same shell.
  return `Mock issuer, for development and tests. Stop it with Ctrl-C.

issuer     ${issuer.issuer}
metadata   ${url}/.well-known/oauth-authorization-server${path}
JWK Set    ${base}/v2/oauth/jwks
audience   ${audience}
API key    ${apiKey}${tokenPageUrl === undefined ? '' : `\ntry tokens ${tokenPageUrl}`}
${clients.map(describeClient).join('')}
For an API with telnyx-auth:
  TELNYX_AUTH_ISSUER=${shellWord(issuer.issuer)} TELNYX_AUTH_AUDIENCE=${shellWord(audience)} node server.js

For the official SDK:
  TELNYX_BASE_URL=${shellWord(`${base}/v2`)} TELNYX_API_KEY=${shellWord(apiKey)} node script.js

To try, in another terminal:
${examples(clients, apiKey, base)
  .map(([title, line]) => `\n  # ${title}\n  ${line}\n`)
  .join('')}`
}

function describeClient(client: Client): string {
  const { clientId, clientSecret, name, clientType, redirectUris } = client
  return `
client     ${name} (${clientType})
  id       ${clientId}
${clientSecret === undefined ? '' : `  secret   ${printable(clientSecret)}\n`}${redirectUris.map((uri) => `  returns  ${uri}\n`).join('')}`
}

/** Escapes control characters, which a terminal would execute. */
function printable(value: string): string {
  return value.replaceAll(/\p{Cc}/gu, encodeURIComponent)
}

/** Example lines for a shell, each with a title. */
function examples(clients: readonly Client[], apiKey: string, base: string): readonly [string, string][] {
  const lines: [string, string][] = []
  const asAccount = `curl -s -H ${shellWord(`Authorization: Bearer ${apiKey}`)}`

  const machine = clients.find(
    ({ clientType, grantTypes }) =>
      clientType === 'confidential' && grantTypes.includes('client_credentials'),
  )
  if (machine) {
    const request = `curl -s -u ${shellWord(basic(machine))} -d grant_type=client_credentials ${shellWord(`${base}/v2/oauth/token`)}`
    const token = `"token=$(${request} | node -p 'JSON.parse(fs.readFileSync(0)).access_token')"`
    lines.push(
      ['an access token; for an API with another audience, add -d resource=<its audience>', request],
      ['what the issuer says of one', `${asAccount} -d ${token} ${shellWord(`${base}/v2/oauth/introspect`)}`],
    )
  }

  const registration = JSON.stringify({
    client_name: 'My app',
    redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'none',
  })
  lines.push(
    ['all clients', `${asAccount} ${shellWord(`${base}/v2/oauth_clients`)}`],
    [
      'one more client',
      `curl -s -H 'Content-Type: application/json' -d ${shellWord(registration)} ${shellWord(`${base}/v2/oauth/register`)}`,
    ],
  )

  const signIn = clients.find(
    ({ grantTypes, redirectUris }) => grantTypes.includes('authorization_code') && redirectUris.length > 0,
  )
  if (signIn) {
    const needsPkce = signIn.requirePkce || signIn.clientType === 'public'
    const title = needsPkce ? `a user signs in, with the code_verifier ${CODE_VERIFIER}` : 'a user signs in'
    lines.push([
      `${title}; in a browser, it is a page`,
      `curl -s ${shellWord(signInUrl(signIn, needsPkce, base))}`,
    ])
  }
  return lines
}

/** The example of RFC 7636, appendix B. */
const CODE_VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

function signInUrl(
  { clientId, redirectUris: [redirectUri = ''] }: Client,
  needsPkce: boolean,
  base: string,
): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    ...(needsPkce && { code_challenge: codeChallengeOf(CODE_VERIFIER), code_challenge_method: 'S256' }),
  })
  return `${base}/v2/oauth/authorize?${query}`
}

/** The credentials for HTTP Basic: id and secret are form-encoded before they are joined (RFC 6749 §2.3.1). */
function basic({ clientId, clientSecret = '' }: Client): string {
  return [clientId, clientSecret].map(encodeURIComponent).join(':')
}
