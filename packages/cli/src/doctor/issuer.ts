import { IssuerFailure, leftOutReasons, UnavailableError, type Verifier } from '@telnyx-auth/core'
import { examineClock } from './clock.js'
import { type Finding, type FindingId, good, note, skipped, undecided, wrong } from './finding.js'
import type { Exchange, Probe } from './probe.js'
import { describeTls, tlsRepairOf, watchTls } from './tls.js'

/** What must work, in this order, before a token can be checked. */
const STEPS = ['tls', 'discovery', 'issuer-match', 'metadata', 'keys'] as const
type Step = (typeof STEPS)[number]

/** Slower responses are noted. */
const SLOW_MS = 1_000

const OPENID = '/.well-known/openid-configuration'

/**
 * Lets a verifier load the metadata and the keys of its issuer, and says what it found.
 *
 * @param probe the one whose `fetch` the verifier has
 */
export async function examineIssuer(verifier: Verifier, probe: Probe): Promise<readonly Finding[]> {
  return watchTls(async (connections) => {
    const error = await verifier.preload().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error !== undefined && !(error instanceof UnavailableError)) throw error
    const { issuer } = verifier.health()
    const seen = (step: Step): Finding =>
      step === 'tls' ? describeTls(issuer, connections, isConnected(error)) : goodStep(step, verifier, probe)
    const failed = error && stepOf(error)
    const failedAt = failed === undefined ? STEPS.length : STEPS.indexOf(failed)
    const steps = STEPS.map((step, index) => {
      if (index < failedAt) return seen(step)
      return error && index === failedAt
        ? failedStep(step, error, probe)
        : skipped(step, 'Not examined: what comes before it does not work.')
    })
    return [
      ...steps,
      ...keysLeftOut(verifier),
      ...cacheControl(verifier, probe),
      examineClock(probe.exchanges),
    ]
  })
}

/** The step that failed. Core says why in the reason. */
function stepOf(error: UnavailableError): Step {
  if (error.code === 'ERR_KEYS_UNAVAILABLE') return 'keys'
  switch (error.reason) {
    case 'issuer-mismatch':
    case 'issuer-trailing-slash':
      return 'issuer-match'
    case 'jwks-uri-missing':
    case 'jwks-uri-insecure':
      return 'metadata'
    default:
      return tlsRepairOf(failureOf(error)?.code) === undefined ? 'discovery' : 'tls'
  }
}

function goodStep(step: Exclude<Step, 'tls'>, verifier: Verifier, probe: Probe): Finding {
  const { issuer, keyIds } = verifier.health()
  switch (step) {
    case 'discovery': {
      const url = metadataExchange(probe)?.url ?? ''
      return url.endsWith(OPENID)
        ? good(
            step,
            `The issuer has no RFC 8414 metadata (404), and OpenID Connect discovery at ${url}, which is used.`,
          )
        : good(step, `The metadata are at ${url}.`)
    }
    case 'issuer-match':
      return good(step, `The metadata name the issuer ${issuer}.`)
    case 'metadata': {
      const url = keysExchange(probe)?.url
      // There may be no response.
      return good(step, `The metadata say where the keys are${url === undefined ? '' : `: ${url}`}.`)
    }
    case 'keys':
      return good(
        step,
        keyIds.length === 0
          ? 'The JWK Set has keys without a "kid" that can be used here.'
          : `Keys that can be used here: ${keyIds.join(', ')}.`,
      )
  }
}

function failedStep(step: FindingId, error: UnavailableError, probe: Probe): Finding {
  const failure = failureOf(error)
  const exchange = step === 'keys' ? keysExchange(probe) : metadataExchange(probe)
  if (failure?.reason === 'invalid-document' && exchange) {
    const { url, headers } = exchange
    const type = headers.get('content-type')?.split(';', 1)[0] ?? 'without a Content-Type'
    return wrong(
      step,
      `${failure.message}: ${url} answered ${type}.`,
      'Check the address: a login page or a proxy may have answered.',
    )
  }
  const repair = tlsRepairOf(failure?.code) ?? error.hint ?? 'See the state of the issuer.'
  const target = failure?.reason === 'redirect' && exchange ? locationOf(exchange) : undefined
  if (target !== undefined) return wrong(step, `${describeFailure(error)} It leads to ${target}.`, repair)
  return (isOutage(error) ? undecided : wrong)(step, describeFailure(error), repair)
}

/** Where a redirect leads. Without the query, which may have secrets. */
function locationOf({ url, headers }: Exchange): string | undefined {
  const location = headers.get('location')
  if (location === null || !URL.canParse(location, url)) return undefined
  const { origin, pathname } = new URL(location, url)
  return `${origin}${pathname}`
}

/** A failure in words: what happened, where, and the code of the system. */
export function describeFailure(error: UnavailableError): string {
  const failure = failureOf(error)
  if (!failure) return `${error.message}.`
  const { message, host, code } = failure
  const explanation = IssuerFailure.explain(failure)
  // The longer explanation names the issuer.
  if (explanation !== message) return `${explanation}.`
  return `${message} (${host}${code === undefined ? '' : `, ${code}`}).`
}

/** Whether the issuer may answer otherwise in a minute. A fault of TLS needs a repair. */
export function isOutage(error: UnavailableError): boolean {
  const { reason, status = 0, code } = failureOf(error) ?? { reason: 'status' }
  if (reason === 'network') return tlsRepairOf(code) === undefined
  return reason === 'timeout' || (reason === 'status' && (status >= 500 || [408, 425, 429].includes(status)))
}

/** Whether a connection to the issuer was made: a request that failed without a response may have had none. */
function isConnected(error: UnavailableError | undefined): boolean {
  return error === undefined || (error.reason !== 'network' && error.reason !== 'timeout')
}

function failureOf({ cause }: UnavailableError): IssuerFailure | undefined {
  return cause instanceof IssuerFailure ? cause : undefined
}

/** Each member of the JWK Set that is not used. Keys for encryption are beside the others in many sets. */
function keysLeftOut(verifier: Verifier): readonly Finding[] {
  return (verifier.health().keysLeftOut ?? []).map(({ kid, reason }) =>
    note(
      'key',
      `The key ${kid === undefined ? 'without a usable "kid"' : kid} is not used: ${leftOutReasons[reason]} (${reason}).`,
      'Tokens that are signed with it are refused. If the issuer signs with it, it must publish it in another form.',
    ),
  )
}

function cacheControl(verifier: Verifier, probe: Probe): readonly Finding[] {
  const { keysLifetimeSeconds } = verifier.health()
  const exchange = keysExchange(probe)
  if (keysLifetimeSeconds === undefined || !exchange) return []
  const header = exchange.headers.get('cache-control')
  const used = `keys are used for ${keysLifetimeSeconds} seconds, and fetched again in the background`
  const id = 'cache-control'
  if (header === null)
    return [
      note(
        id,
        `The JWK Set has no Cache-Control: ${used}.`,
        'The issuer should say how long its keys may be cached (max-age).',
      ),
    ]
  return [
    /\bno-(store|cache)\b/i.test(header)
      ? note(
          id,
          `${header}: ${used}.`,
          'The issuer should let its keys be cached (max-age): they are public.',
        )
      : good(id, `${header}: ${used}.`),
  ]
}

/** How long each response took. */
export function examineLatency({ exchanges }: Probe): Finding {
  if (exchanges.length === 0) return skipped('latency', 'Nothing has answered.')
  const times = exchanges.map(({ url, durationMs }) => `${new URL(url).pathname} ${Math.ceil(durationMs)} ms`)
  const message = `${times.join(', ')}.`
  return exchanges.every(({ durationMs }) => durationMs < SLOW_MS)
    ? good('latency', message)
    : note(
        'latency',
        message,
        'A response is slow. Load the keys before the first request (preload()), and see that "timeoutMs" (5000) is long enough.',
      )
}

/** The verifier asks for RFC 8414 metadata first. The keys may be anywhere, also below that URL. */
function isMetadata(url: string, { exchanges }: Probe): boolean {
  return url === exchanges[0]?.url || url.endsWith(OPENID)
}

function metadataExchange(probe: Probe): Exchange | undefined {
  return probe.last((url) => isMetadata(url, probe))
}

function keysExchange(probe: Probe): Exchange | undefined {
  return probe.last((url) => !isMetadata(url, probe))
}
