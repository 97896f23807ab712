import { fork } from 'node:child_process'
import { createServer } from 'node:net'
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'

/**
 * The way of an MCP client from a URL to a tool, and to a second tool that needs more: with the mock issuer in place of Telnyx,
 * `server.js` unchanged, and the client of the MCP SDK unchanged.
 */

const ENDPOINT = 'https://api.example.com/mcp'
const CALLBACK = 'http://127.0.0.1/callback'

const issuer = await createMockIssuer({ mcp: true })
const issuerUrl = await issuer.listen()
const port = await findPort()
const server = fork(new URL('server.js', import.meta.url), {
  env: { ...process.env, PORT: String(port), TELNYX_AUTH_ISSUER: issuerUrl },
})

/**
 * Sends requests for https://api.example.com to the server on this machine, and prints each one.
 *
 * @param {string | URL} input
 * @param {RequestInit} [init]
 */
const fetchAndPrint = async (input, init) => {
  const url = new URL(input)
  const target = new URL(url)
  if (url.origin === new URL(ENDPOINT).origin) {
    target.protocol = 'http:'
    target.host = `127.0.0.1:${port}`
  }
  const response = await fetch(target, init)
  const rpc = url.href === ENDPOINT && init?.body ? JSON.parse(String(init.body)) : undefined
  const what = rpc ? ` ${[rpc.method, rpc.params?.name].filter(Boolean).join(' ')}` : ''
  print(`${init?.method ?? 'GET'} ${url.href.replace(issuerUrl, 'ISSUER')}${what}`, `→ ${response.status}`)
  const challenge = response.headers.get('www-authenticate')
  if (challenge) print(`    WWW-Authenticate: ${challenge}`)
  return response
}

/**
 * Keeps what the SDK wants kept. A real client writes it to a disk, and opens a browser for the user.
 *
 * @type {{
 *   client?: import('@modelcontextprotocol/client').StoredOAuthClientInformation,
 *   tokens?: import('@modelcontextprotocol/client').StoredOAuthTokens,
 *   discovery?: import('@modelcontextprotocol/client').OAuthDiscoveryState,
 *   verifier: string,
 *   url: URL,
 * }}
 */
const kept = { verifier: '', url: new URL(ENDPOINT) }
/** @type {import('@modelcontextprotocol/client').OAuthClientProvider} */
const provider = {
  redirectUrl: CALLBACK,
  clientMetadata: { client_name: 'Demo', redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none' },
  clientInformation: () => kept.client,
  saveClientInformation(client) {
    kept.client = client
  },
  tokens: () => kept.tokens,
  saveTokens(tokens) {
    kept.tokens = tokens
  },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier(verifier) {
    kept.verifier = verifier
  },
  discoveryState: () => kept.discovery,
  saveDiscoveryState(discovery) {
    kept.discovery = discovery
  },
  redirectToAuthorization(url) {
    kept.url = url
  },
}

const createTransport = () =>
  new StreamableHTTPClientTransport(new URL(ENDPOINT), { authProvider: provider, fetch: fetchAndPrint })

/**
 * Runs `work`. If the user has to sign in first, does that instead.
 *
 * @param {StreamableHTTPClientTransport} transport
 * @param {() => Promise<void>} work
 * @returns whether `work` was done
 */
async function withSignIn(transport, work) {
  try {
    await work()
    return true
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error
  }
  print(
    `the user allows: ${kept.url.searchParams.get('scope')}`,
    `for ${kept.url.searchParams.get('resource')}`,
  )
  const callback = new URL(await issuer.authorize(kept.url))
  await transport.finishAuth(callback.searchParams)
  return false
}

try {
  await untilItListens()
  let transport = createTransport()
  let client = new Client({ name: 'demo', version: '1.0.0' })
  await withSignIn(transport, () => client.connect(transport))
  transport = createTransport()
  client = new Client({ name: 'demo', version: '1.0.0' })
  await client.connect(transport)
  /** @param {string} name */
  const call = async (name) => {
    const { content } = await client.callTool({ name, arguments: {} })
    const text = content[0]?.type === 'text' ? content[0].text : ''
    print(`the tool ${name} answers: ${text.replace(kept.client?.client_id ?? '', 'CLIENT')}`)
  }
  await call('whoami')
  if (!(await withSignIn(transport, () => call('send_message')))) await call('send_message')
  await client.close()
} finally {
  server.kill()
  await issuer.close()
}

/** @param {string[]} words */
function print(...words) {
  console.log(words.join(' '))
}

async function untilItListens() {
  for (let attempt = 0; attempt < 100; attempt++) {
    const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)
    if (response) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('The server did not start')
}

/** A port that is free now. */
async function findPort() {
  const probe = createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', () => resolve(undefined)))
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  if (typeof address !== 'object' || !address) throw new Error('There is no free port')
  return address.port
}
