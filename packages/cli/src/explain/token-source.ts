import { UsageError } from '../arguments.js'
import type { Terminal } from '../terminal/terminal.js'

/** More is not read. Such a token is refused as too large. */
const MAX_BYTES = 1_048_576

const MISSING =
  'There is no token. Pipe it into "telnyx-auth explain -", or set TELNYX_AUTH_TOKEN: an argument stays in the history of the shell'

/**
 * Reads the token: from standard input for `-`, from the argument, or from `TELNYX_AUTH_TOKEN`.
 *
 * @throws {UsageError} for no token, and for what is more than a token
 */
export async function readToken(argument: string | undefined, { stdin, env }: Terminal): Promise<string> {
  const text = argument === '-' ? await readAll(stdin) : (argument ?? env.TELNYX_AUTH_TOKEN ?? '')
  const token = text.trim()
  if (token === '') throw new UsageError(argument === '-' ? 'Standard input has no token' : MISSING)
  if (token.includes('{')) throw new UsageError('This is JSON. Give the value of "access_token" alone')
  if (/["']/.test(token)) throw new UsageError('There is a quotation mark. Give the token without quotes')
  if (/\s/.test(token))
    throw new UsageError(
      'There is more than one word. Give the token alone, without "Bearer" and without a second token',
    )
  return token
}

async function readAll(stdin: Terminal['stdin']): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk)
    chunks.push(bytes)
    size += bytes.length
    if (size > MAX_BYTES) break
  }
  return Buffer.concat(chunks).toString()
}
