import { createVerifier, type Explanation } from '@telnyx-auth/core'
import { parse, single, UsageError } from '../arguments.js'
import { EXIT } from '../exit-codes.js'
import { printableJson } from '../terminal/printable.js'
import { createPaint, type Terminal } from '../terminal/terminal.js'
import { EXPLAIN_USAGE } from '../usage.js'
import { reportOf } from './report.js'
import { readToken } from './token-source.js'

const FLAGS = {
  issuer: { type: 'string', multiple: true },
  audience: { type: 'string', multiple: true },
  scope: { type: 'string', multiple: true },
  introspect: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

const EXIT_CODES: Readonly<Record<Explanation['outcome'], number>> = {
  accepted: EXIT.good,
  refused: EXIT.wrong,
  undecided: EXIT.undecided,
}

/**
 * Explains what the verifier decides about a token.
 *
 * @throws {UsageError}
 * @throws {ConfigurationError} for options that core does not accept
 */
export async function explain(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positional } = parse(args, FLAGS)
  const { stdout, env, fetch } = terminal
  if (values.help) {
    stdout.write(EXPLAIN_USAGE)
    return EXIT.good
  }
  if (!values.audience && !env.TELNYX_AUTH_AUDIENCE)
    throw new UsageError('Which API must the token be for? Give --audience, or set TELNYX_AUTH_AUDIENCE')
  if (values.audience?.includes('')) throw new UsageError('--audience is empty')
  if (values.scope?.some((scope) => !/^\S+$/.test(scope)))
    throw new UsageError('--scope takes one scope: repeat it for several')
  const introspect = values.introspect === true
  if (introspect && !(env.TELNYX_CLIENT_ID && env.TELNYX_CLIENT_SECRET))
    throw new UsageError('--introspect needs the variables TELNYX_CLIENT_ID and TELNYX_CLIENT_SECRET')
  const verifier = createVerifier({
    issuer: single(values.issuer, '--issuer'),
    audience: values.audience,
    fetch,
    ...(introspect && {
      introspection: {
        when: 'always',
        clientId: env.TELNYX_CLIENT_ID,
        clientSecret: env.TELNYX_CLIENT_SECRET,
      },
    }),
  })
  const token = await readToken(positional, terminal)
  const explanation = await verifier.explain(token, { scopes: values.scope }, { introspect })

  const { header = null, claims = null } = explanation
  const { issuer, keyIds } = verifier.health()
  const expected = {
    issuer,
    audience: values.audience?.join(', ') ?? env.TELNYX_AUTH_AUDIENCE ?? '',
    ...(values.scope && { scopes: values.scope.join(' ') }),
    ...(explanation.checks.some(({ reason }) => reason === 'key-unknown') && { kid: keyIds.join(', ') }),
  }
  stdout.write(
    values.json
      ? `${printableJson({ ...explanation, header, claims })}\n`
      : reportOf(explanation, expected, Date.now() / 1000, createPaint(terminal)),
  )
  return EXIT_CODES[explanation.outcome]
}
