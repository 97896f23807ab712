import { createVerifier } from '@telnyx-auth/core'
import { parse, single, UsageError } from '../arguments.js'
import { EXIT } from '../exit-codes.js'
import { printableJson } from '../terminal/printable.js'
import { createPaint, type Terminal } from '../terminal/terminal.js'
import { DOCTOR_USAGE } from '../usage.js'
import { EXIT_CODES, type Finding, type FindingId, outcomeOf, skipped, wrong } from './finding.js'
import { examineIntrospection } from './introspection.js'
import { examineIssuer, examineLatency } from './issuer.js'
import { Probe } from './probe.js'
import { reportOf } from './report.js'
import { examineResource, resourceUrls } from './resource.js'

const FLAGS = {
  issuer: { type: 'string', multiple: true },
  resource: { type: 'string', multiple: true },
  introspect: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

/** What introspection needs. Keys are not among it: an issuer of opaque tokens may have none. */
const NEEDED: readonly FindingId[] = ['tls', 'discovery', 'issuer-match', 'metadata']

/**
 * Examines an issuer, and the user's own API where it is named.
 *
 * @throws {UsageError}
 * @throws {ConfigurationError} for an issuer or a resource that core does not accept
 */
export async function doctor(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positional } = parse(args, FLAGS)
  const { stdout, env } = terminal
  if (values.help) {
    stdout.write(DOCTOR_USAGE)
    return EXIT.good
  }
  if (positional !== undefined && values.issuer) throw new UsageError('The issuer was given more than once')
  const named = positional ?? single(values.issuer, '--issuer')
  const resource = single(values.resource, '--resource')

  const probe = new Probe(terminal.fetch)
  const unasked = whyNotIntrospected(env, named, values.introspect === true)
  const verifier = createVerifier({
    issuer: named,
    audience: null,
    fetch: probe.fetch,
    ...(!unasked && {
      introspection: {
        when: 'opaque',
        clientId: env.TELNYX_CLIENT_ID,
        clientSecret: env.TELNYX_CLIENT_SECRET,
      },
    }),
  })
  const { issuer } = verifier.health()
  const urls = resource === undefined ? undefined : resourceUrls(resource, issuer)

  const findings: Finding[] = [...(await examineIssuer(verifier, probe))]
  findings.push(unasked ?? (await introspectionOf(findings)))
  if (urls) findings.push(...(await examineResource(urls, issuer, probe)))
  findings.push(examineLatency(probe))

  const isEmpty = named === undefined && env.TELNYX_AUTH_ISSUER === ''
  const whyDefault = isEmpty ? ' (the default: TELNYX_AUTH_ISSUER is empty)' : ''
  const outcome = outcomeOf(findings)
  stdout.write(
    values.json
      ? `${printableJson({ outcome, findings })}\n`
      : reportOf(`Issuer ${issuer}${whyDefault}`, findings, createPaint(terminal)),
  )
  return EXIT_CODES[outcome]

  async function introspectionOf(before: readonly Finding[]): Promise<Finding> {
    return outcomeOf(before.filter(({ id }) => NEEDED.includes(id))) === 'good'
      ? examineIntrospection(verifier)
      : skipped('introspection', 'Not examined: what comes before it does not work.')
  }
}

/** The secret in the environment belongs to the issuer in the environment: another one gets it only if the user says so. */
function whyNotIntrospected(
  { TELNYX_CLIENT_ID: id, TELNYX_CLIENT_SECRET: secret }: Terminal['env'],
  named: string | undefined,
  isWanted: boolean,
): Finding | undefined {
  const missing = id ? 'TELNYX_CLIENT_SECRET' : 'TELNYX_CLIENT_ID'
  if (!id !== !secret || (isWanted && !id))
    return wrong('introspection', `${missing} is not set.`, 'Set TELNYX_CLIENT_ID and TELNYX_CLIENT_SECRET.')
  if (!id) return skipped('introspection', 'TELNYX_CLIENT_ID and TELNYX_CLIENT_SECRET are not set.')
  if (isWanted || named === undefined || named === usualIssuer()) return undefined
  return skipped(
    'introspection',
    'The credentials in the environment are for its own issuer. To send them to this one, give --introspect.',
  )
}

/** The issuer of the environment, or the default. */
function usualIssuer(): string {
  return createVerifier({ audience: null }).health().issuer
}
