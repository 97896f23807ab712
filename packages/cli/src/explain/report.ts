import type { CheckId, Explanation, TokenCheck } from '@telnyx-auth/core'
import { printable } from '../terminal/printable.js'
import type { Colour, Paint } from '../terminal/terminal.js'
import { describeTime } from '../terminal/times.js'

/** What each check demands. */
const DEMANDS: Readonly<Record<CheckId, string>> = {
  size: 'the token is not longer than is read',
  form: 'it is a signed JWT',
  algorithm: '"alg" is an algorithm that is allowed',
  'critical-header': 'the header has no critical parameter',
  type: '"typ" is that of an access token',
  'key-id': '"kid" can name a key',
  issuer: '"iss" is the issuer that is expected',
  audience: '"aud" names the API',
  'required-claims': 'no claim is missing',
  'claim-types': 'each claim has its type',
  confirmation: 'if the token is bound to a key ("cnf"), that is checked here',
  expiry: 'the token has not expired ("exp")',
  'not-before': 'it may be used already ("nbf")',
  'issued-at': 'it was issued in the past ("iat")',
  key: 'the issuer publishes the key of the token',
  signature: 'the signature was made with that key',
  sender: 'who sends the token has its key',
  introspection: 'the issuer says that the token is active',
  binding: 'the token is bound to a key',
  authentication: 'the user has signed in as is needed',
  scopes: 'the scopes are enough',
  validate: 'your own check passes',
}

/** The command has no request, so no proof and no certificate to check. */
const IF_BOUND_IS_ACCEPTED =
  'This command assumes an API without them: if yours has "dpop", the client must send "Authorization: DPoP <token>" and a proof.'

const MARKS: Readonly<Record<TokenCheck['outcome'], readonly [mark: string, colour: Colour]>> = {
  passed: ['✓', 'green'],
  failed: ['✗', 'red'],
  undecided: ['?', 'yellow'],
  skipped: ['–', 'grey'],
}

/** The claims that are times (RFC 7519 §4.1, OpenID Connect Core §2). */
const TIMES: readonly string[] = ['exp', 'nbf', 'iat', 'auth_time']

/**
 * The explanation for people.
 *
 * @param expected what the token is compared with
 * @param now seconds since the epoch
 */
export function reportOf(
  explanation: Explanation,
  expected: Readonly<Record<string, string>>,
  now: number,
  paint: Paint,
): string {
  const { outcome, checks, header, claims } = explanation
  const isVerified = outcome === 'accepted' ? '' : ', not verified'
  const sections = [
    ['Expected', membersOf(expected, now)],
    ...(header ? [[`Header${isVerified}`, membersOf(header, now)] as const] : []),
    ...(claims ? [[`Claims${isVerified}`, membersOf(claims, now)] as const] : []),
    ['Checks, in the order of the verifier', describeChecks(checks, paint)],
  ]
  const text = sections.map(([title, lines]) => `${title}\n${lines}`).join('\n')
  return `${text}\n${describeOutcome(explanation)}\n`
}

/** A longer name moves its own value only. Otherwise one name could make each line as long as itself. */
const MAX_WIDTH = 24

function membersOf(object: Readonly<Record<string, unknown>>, now: number): string {
  const members = Object.entries(object).map(([name, value]) => ({ name, printed: printable(name), value }))
  const width = Math.max(
    0,
    ...members.map(({ printed }) => printed.length).filter((length) => length <= MAX_WIDTH),
  )
  return members
    .map(({ name, printed, value }) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value)
      const time = TIMES.includes(name) ? describeTime(value, now) : undefined
      return `  ${printed.padEnd(width)}  ${printable(text)}${time === undefined ? '' : ` (${time})`}\n`
    })
    .join('')
}

function describeChecks(checks: readonly TokenCheck[], paint: Paint): string {
  const lines = checks.map((check) => describeCheck(check, paint)).join('')
  return checks.some(({ id }) => id === 'scopes')
    ? lines
    : `${lines}  ${paint('grey', '–')} B6  ${DEMANDS.scopes}: not checked, give --scope\n`
}

function describeCheck({ id, rule, outcome, reason, hint }: TokenCheck, paint: Paint): string {
  const [mark, colour] = MARKS[outcome]
  const why = reason === undefined ? '' : `: ${reason}`
  const line = `  ${paint(colour, mark)} ${rule.padEnd(4)}${DEMANDS[id]}${why}\n`
  const more = reason === 'bound' ? ` ${IF_BOUND_IS_ACCEPTED}` : ''
  return hint === undefined ? line : `${line}          → ${hint}${more}\n`
}

function describeOutcome({ outcome, code, reason }: Explanation): string {
  const why = code === undefined ? '' : `: ${code}${reason === undefined ? '' : ` (${reason})`}`
  switch (outcome) {
    case 'accepted':
      return 'The token is accepted.'
    case 'refused':
      return `The token is refused${why}.`
    case 'undecided':
      return `It could not be decided${why}.`
  }
}
