import { readFile } from 'node:fs/promises'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { createMockIssuer, type MockIssuer } from '../mock-issuer.js'
import type { ClientSeed } from '../protocol/client.js'
import { SIGNING_ALGORITHMS } from '../state/signing-keys.js'
import { usageOf } from './usage.js'

/** What the command does: an issuer that runs, or nothing, and what is printed. */
export interface CommandOutcome {
  readonly text: string
  readonly issuer?: MockIssuer
}

/** The command was not given what it takes; the message is for whoever typed it. */
export class CommandError extends Error {}

const DEFAULT_PORT = 4010

const HELP = `Usage: mock-issuer [options]

An embedded Telnyx OAuth server, for development and tests. It is not for production: whoever
reaches it gets tokens.

  --port <number>       where it listens (${DEFAULT_PORT}); 0 for any that is free
  --host <address>      the address that it listens on (127.0.0.1)
  --issuer <url>        the issuer identifier (the URL that it listens on)
  --algorithm <name>    what tokens are signed with (RS256); also ${SIGNING_ALGORITHMS.slice(1, 6).join(', ')},
                        ${SIGNING_ALGORITHMS.slice(6).join(', ')}
  --typ <name>          the typ of tokens (at+jwt); none for no typ
  --audience <uri>      the audience of tokens for which no resource was named (https://api.example.com)
  --api-key <word>      the API key for managing clients and grants (one that is made up)
  --clients <file>      a JSON file with an array of clients, in place of one that is made up. Each may have
                        clientId, clientSecret, clientType, name, grantTypes, scopes, redirectUris,
                        requirePkce, verified, logoUri, policyUri, tosUri
  --help                this text
  --version             the version
`

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  issuer: { type: 'string' },
  algorithm: { type: 'string' },
  typ: { type: 'string' },
  audience: { type: 'string' },
  'api-key': { type: 'string' },
  clients: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} satisfies ParseArgsConfig['options']

/**
 * Does what the arguments say.
 *
 * @throws {CommandError}
 */
export async function runCommand(args: readonly string[]): Promise<CommandOutcome> {
  const values = parse(args)
  if (values.help) return { text: HELP }
  if (values.version) return { text: `${await readVersion()}\n` }

  const port = values.port === undefined ? DEFAULT_PORT : Number(values.port)
  if (!/^\d+$/.test(values.port ?? '0') || port > 65_535)
    throw new CommandError('--port must be a number from 0 to 65535')
  const algorithm = SIGNING_ALGORITHMS.find((name) => name === (values.algorithm ?? 'RS256'))
  if (!algorithm) throw new CommandError(`--algorithm must be one of ${SIGNING_ALGORITHMS.join(', ')}`)
  const clients = values.clients === undefined ? undefined : await readClients(values.clients)
  if (values.typ === '') throw new CommandError('--typ must not be empty; none is for no typ')
  const issuer = await explained(() =>
    createMockIssuer({
      algorithm,
      clients,
      issuer: values.issuer,
      typ: values.typ === 'none' ? null : values.typ,
      audience: values.audience,
      apiKey: values['api-key'],
    }),
  )
  const url = await explained(() => issuer.listen({ port, host: values.host }))
  return { issuer, text: usageOf(issuer, url) }
}

/** What is wrong with an option is for whoever typed it. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const isTaken = 'code' in error && error.code === 'EADDRINUSE'
    throw new CommandError(isTaken ? 'The port is in use; --port takes another' : error.message)
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : 'The arguments cannot be read')
  }
}

async function readClients(file: string): Promise<readonly ClientSeed[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(`--clients: the file cannot be read (${error.code})`)
  })
  let value: unknown
  try {
    // Some editors begin a file with a byte order mark.
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
