import { readFile } from 'node:fs/promises'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { createMockIssuer } from '../create-mock-issuer.js'
import type { MockIssuer } from '../mock-issuer.js'
import type { ClientSeed } from '../protocol/client.js'
import { SIGNING_ALGORITHMS } from '../state/signing-keys.js'
import { usageOf } from './usage.js'

/** What the command prints, and the issuer that it started, if any. */
export interface CommandOutcome {
  readonly text: string
  readonly issuer?: MockIssuer
}

/** Why the command does not start. The message is for the terminal. */
export class CommandError extends Error {
  /** Whether an argument is not accepted. The other reason is a port that is in use. */
  readonly isUsage: boolean

  constructor(message: string, isUsage = true) {
    super(message)
    this.isUsage = isUsage
  }
}

const DEFAULT_PORT = 4010

const helpOf = (name: string): string => `Usage: ${name} [options]

An embedded Telnyx OAuth server, for development and tests. It is not for production: it gives
tokens to every caller.

  --port <number>       the port to listen on (${DEFAULT_PORT}); 0 for any free port
  --host <address>      the address to listen on (127.0.0.1)
  --issuer <url>        the issuer identifier (the URL of the server)
  --algorithm <name>    the signature algorithm of tokens (RS256); also ${SIGNING_ALGORITHMS.slice(1, 6).join(', ')},
                        ${SIGNING_ALGORITHMS.slice(6).join(', ')}
  --typ <name>          the typ of tokens (at+jwt); none for no typ
  --audience <uri>      the audience of tokens requested without a resource (https://api.example.com)
  --mcp                 what MCP asks of authorization servers, beyond what Telnyx documents: iss in
                        redirects, clients may ask for more scopes than they registered with, and a
                        client_id may be the URL of a metadata document, which is fetched
  --dpop                tokens that are bound to a key of the client (DPoP, RFC 9449), beyond what
                        Telnyx documents, for requests with a proof
  --api-key <word>      the API key for managing clients and grants (random)
  --no-token-page       do not serve the page to try tokens on, which is at / on a loopback address
  --clients <file>      a JSON file with an array of clients (one random client). Each may have
                        clientId, clientSecret, clientType, name, grantTypes, scopes, redirectUris,
                        requirePkce, verified, logoUri, policyUri, tosUri
  --help                print this text
  --version             print the version
`

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  issuer: { type: 'string' },
  algorithm: { type: 'string' },
  typ: { type: 'string' },
  audience: { type: 'string' },
  'api-key': { type: 'string' },
  mcp: { type: 'boolean' },
  dpop: { type: 'boolean' },
  'no-token-page': { type: 'boolean' },
  clients: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} satisfies ParseArgsConfig['options']

/**
 * Runs the command: starts an issuer, or prepares the help or the version.
 *
 * @param name the name that the help has for the command
 * @throws {CommandError} for an argument that is not valid, or a port that is in use
 */
export async function runCommand(args: readonly string[], name = 'mock-issuer'): Promise<CommandOutcome> {
  const values = parse(args)
  if (values.help) return { text: helpOf(name) }
  if (values.version) return { text: `${await readVersion()}\n` }

  const port = values.port === undefined ? DEFAULT_PORT : Number(values.port)
  if (!/^\d+$/.test(values.port ?? '0') || port > 65_535)
    throw new CommandError('--port must be a number from 0 to 65535')
  const algorithm = SIGNING_ALGORITHMS.find((name) => name === (values.algorithm ?? 'RS256'))
  if (!algorithm) throw new CommandError(`--algorithm must be one of ${SIGNING_ALGORITHMS.join(', ')}`)
  const clients = values.clients === undefined ? undefined : await readClients(values.clients)
  if (values.typ === '') throw new CommandError('--typ must not be empty; use none for no typ')
  const issuer = await withCommandError(() =>
    createMockIssuer({
      algorithm,
      clients,
      issuer: values.issuer,
      typ: values.typ === 'none' ? null : values.typ,
      audience: values.audience,
      apiKey: values['api-key'],
      mcp: values.mcp,
      dpop: values.dpop,
      tokenPage: !values['no-token-page'],
    }),
  )
  const url = await withCommandError(() => issuer.listen({ port, host: values.host }))
  return { issuer, text: usageOf(issuer, url) }
}

/** Turns an error about an option into one for the terminal. */
async function withCommandError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const isTaken = 'code' in error && error.code === 'EADDRINUSE'
    throw isTaken
      ? new CommandError('The port is in use; choose another with --port', false)
      : new CommandError(error.message)
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (error) {
    throw new CommandError(describeRefusal(error))
  }
}

/** What is wrong, in a sentence. It repeats nothing that may be a token or a secret, which may be pasted in any place. */
function describeRefusal(error: unknown): string {
  const { code, message }: { code?: unknown; message?: unknown } = Object(error)
  const [sentence = ''] = String(message).split(/\.\s/, 1)
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' || LIKELY_FLAG.test(sentence)) return sentence
  return code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION'
    ? 'There is an unknown option'
    : 'This command takes only options, which begin with two hyphens'
}

const LIKELY_FLAG = /^Unknown option '--?[a-z][a-z-]{0,15}'$/

async function readClients(file: string): Promise<readonly ClientSeed[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`--clients: the file cannot be read (${error.code})`)
  })
  let value: unknown
  try {
    // Some editors start a file with a byte order mark.
    value = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch {
    throw new CommandError('--clients: the file is not JSON')
  }
  if (!Array.isArray(value)) throw new CommandError('--clients: the file is not a JSON array')
  return value
}

async function readVersion(): Promise<string> {
  const manifest: { version: string } = JSON.parse(
    await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return manifest.version
}
