import { gzipSync } from 'node:zlib'
import {
  type ErrorCode,
  type FetchFunction,
  type FetchResponse,
  TelnyxAuthError,
  toResponse,
} from '@telnyx-auth/core'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { TokenVerifier } from '../../packages/core/src/testing.js'
import { jsonResponse } from '../support/answers.js'
import { pendingInThreadPool, settle, trackThreadPool, until } from '../support/event-loop.js'
import {
  AUDIENCE,
  ForgedIssuer,
  type ForgeKey,
  goodToken,
  ISSUER,
  JWKS_URL,
  makeKey,
  makeVerifier,
  NOW,
  rejectionOf,
  TestClock,
} from '../support/forge.js'
import { scale } from '../support/scale.js'

/**
 * Attacks 35–43: every fault of an issuer, at every moment of its keys' life, with every use of introspection, for every
 * kind of token. What is right is computed from a few rules ({@link ruling}); the outcomes are printed at the end.
 */

const MOMENTS = ['before', 'fresh', 'stale', 'past'] as const
/** `before`: nothing was ever loaded. `stale`: past the lifetime. `past`: past the tolerance as well, a day later. */
type Moment = (typeof MOMENTS)[number]
/** Seconds since keys and metadata were loaded. Keys live five minutes, metadata an hour, each is kept a day longer. */
const AGES = { fresh: 120, stale: 2 * 3600, past: 26 * 3600 }

const MODES = ['off', 'fallback', 'always'] as const
type Mode = (typeof MODES)[number]

const KINDS = ['good', 'revoked', 'expired', 'forged', 'disallowed', 'unknown', 'opaque'] as const
/**
 * `revoked`: nothing can be seen on it, but its issuer has withdrawn it. `forged`: the signature does not fit.
 * `disallowed`: well signed, with an algorithm that is not allowed here. `unknown`: signed with a key that the issuer does
 * not have. `opaque`: not a JWT, and good.
 */
type Kind = (typeof KINDS)[number]

/** Which are asked about one after the other, by one verifier. */
const TOGETHER: readonly (readonly Kind[])[] = [
  ['expired', 'disallowed', 'good', 'revoked'],
  ['forged', 'unknown', 'opaque'],
]

type Part = 'metadata' | 'keys' | 'introspection'
type Outcome = `200 ${'signature' | 'introspection' | 'both'}` | `${401 | 503} ${ErrorCode}`

const INTROSPECTION_URL = `${ISSUER}/introspect`
const TIMEOUT_MS = 5_000
const PATIENCE_MS = 1_000

// Of all keys, these are imported the fastest.
const key = makeKey('RS256', 'good')
const next = makeKey('RS256', 'next')
const sameKid = makeKey('RS256', 'good')
const foreign = makeKey('RS256', 'foreign')
const disallowed = makeKey('ES256', 'disallowed')

type Answer = (url: string, signal: AbortSignal) => FetchResponse | Promise<FetchResponse>

/** An issuer with an introspection endpoint, which knows the tokens that were minted with it. */
class Issuer {
  readonly documents = new ForgedIssuer(key)
  /** The tokens that were sent to it. */
  readonly introspected: string[] = []
  /** What it is asked about, and active. */
  readonly active = new Set<string>()
  introspection: Answer | undefined
  /** What its answers say beside, or instead. */
  said: object = {}
  readonly #clock: TestClock

  constructor(clock: TestClock) {
    this.#clock = clock
    this.documents.metadata = metadataWith({})
  }

  readonly fetch: FetchFunction = async (url, init) => {
    if (url !== INTROSPECTION_URL) return this.documents.fetch(url, init)
    const token = new URLSearchParams(init.body).get('token') ?? ''
    this.introspected.push(token)
    if (this.introspection) return this.introspection(url, init.signal)
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'user-1', exp: this.#clock.now() + 60 }
    return jsonResponse(
      this.active.has(token) || 'active' in this.said
        ? { active: true, ...claims, ...this.said }
        : { active: false },
    )
  }
}

const metadataWith = (members: object) => () =>
  jsonResponse({ issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL, ...members })

const minted = new Map<string, string>()

/** A token that is issued now, and known to the issuer. Signing takes time, and is the same every time. */
function mint(kind: Kind, { clock, issuer }: Setting): string {
  const id = `${kind} ${clock.now()}`
  const token = minted.get(id) ?? make(kind, clock.now())
  minted.set(id, token)
  if (isActive(kind)) issuer.active.add(token)
  return token
}

function make(kind: Kind, now: number): string {
  if (kind === 'opaque') return `opaque-${now}`
  const claims = { iat: now - 60, exp: kind === 'expired' ? now - 10 : now + 3600, jti: kind }
  if (kind === 'disallowed') return goodToken(disallowed, claims)
  if (kind === 'unknown') return goodToken(foreign, claims)
  return goodToken(kind === 'forged' ? foreign : key, claims, { kid: key.kid })
}

/** What the issuer says when it is asked. */
const isActive = (kind: Kind): boolean => kind === 'good' || kind === 'opaque'

interface Fault {
  readonly attack: number
  readonly what: string
  /** Of what the issuer is asked for, that which cannot be had because of it. */
  readonly breaks: readonly Part[]
  /** When it changes nothing. */
  readonly unnoticed?: (moment: Moment, kind: Kind) => boolean
  /** Seconds after which all is well, once it is over. */
  readonly overAfter?: number
  /** What introspection makes of every token, where its answer is to be refused. */
  readonly refusal?: ErrorCode
  /** Whether the endpoint refuses to judge the token, so that the local check decides about one whose key is not known. */
  readonly refusesToJudge?: boolean
  strike(issuer: Issuer, clock: TestClock): void
}

interface Cell {
  readonly moment: Moment
  readonly mode: Mode
}

const CELLS: readonly Cell[] = MOMENTS.flatMap((moment) => MODES.map((mode) => ({ moment, mode })))

/**
 * Whether a fault meets this cell: each cell in a soak run. In the suite, every fault meets each moment and each mode, and three
 * faults in a row meet all cells.
 */
function isTurnOf(faultIndex: number, { moment, mode }: Cell): boolean {
  return (faultIndex + MOMENTS.indexOf(moment) + MODES.indexOf(mode)) % MODES.length < scale(1, MODES.length)
}

/** What is right. The words of the issue: bad token 401, cannot be decided 503. */
function ruling(
  { breaks, unnoticed, refusal, refusesToJudge }: Fault,
  { moment, mode }: Cell,
  kind: Kind,
): Outcome {
  const isBroken = (part: Part) => breaks.includes(part) && !unnoticed?.(moment, kind)
  // Loaded documents are cached until the tolerance is over; others must be loaded now.
  const atHand = moment === 'fresh' || moment === 'stale'
  const hasMetadata = atHand || !isBroken('metadata')
  const newestKeys = hasMetadata && !isBroken('keys')
  const hasKeys = atHand || newestKeys

  const undecided = (): Outcome => (hasMetadata ? '503 ERR_KEYS_UNAVAILABLE' : '503 ERR_DISCOVERY_FAILED')
  const asked = (by: 'introspection' | 'both'): Outcome => {
    if (!hasMetadata) return '503 ERR_DISCOVERY_FAILED'
    if (isBroken('introspection')) return '503 ERR_INTROSPECTION_UNAVAILABLE'
    if (refusal) return `401 ${refusal}`
    return isActive(kind) ? `200 ${by}` : '401 ERR_TOKEN_INACTIVE'
  }
  const askedIfPossible = (otherwise: Outcome) => (mode === 'off' ? otherwise : asked('introspection'))

  switch (kind) {
    // The token itself is wrong, so the answer of the issuer does not matter.
    case 'expired':
      return '401 ERR_TOKEN_EXPIRED'
    case 'disallowed':
      return '401 ERR_ALGORITHM_NOT_ALLOWED'
    // Only the issuer can read it.
    case 'opaque':
      return askedIfPossible('401 ERR_TOKEN_MALFORMED')
    // A signature that does not fit is final.
    case 'forged':
      return hasKeys ? '401 ERR_SIGNATURE_INVALID' : askedIfPossible(undecided())
    // Whether it is the caller's fault is known once the issuer has said which keys it has now.
    case 'unknown':
      if (refusesToJudge && newestKeys) return '401 ERR_KEY_NOT_FOUND'
      return askedIfPossible(newestKeys ? '401 ERR_KEY_NOT_FOUND' : undecided())
    case 'good':
    case 'revoked':
      if (!hasKeys) return askedIfPossible(undecided())
      return mode === 'always' ? asked('both') : '200 signature'
  }
}

/** How long it may take, in milliseconds: 0 where everything is cached. */
function patience({ moment, mode }: Cell, kind: Kind): number {
  if (kind === 'expired' || kind === 'disallowed') return 0
  const local = (kind === 'good' || kind === 'forged' || kind === 'revoked') && mode !== 'always'
  if (local && moment === 'fresh') return 0
  if (local && moment === 'stale') return PATIENCE_MS
  // The keys, and then the introspection.
  return mode === 'off' ? TIMEOUT_MS : 2 * TIMEOUT_MS
}

// --- The faults ---

const silence: Answer = (_, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

const rejecting = (code: string) => () =>
  Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) }))

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  () =>
    new Response(code === 204 || code === 304 ? null : '{}', { status: code, headers })

const text = (body: string, type = 'application/json') => {
  const answer: Answer = () => new Response(body, { headers: { 'content-type': type } })
  return answer
}

/** A body of one piece after the other, without end. */
const endless =
  (next: () => Uint8Array | Promise<Uint8Array>): Answer =>
  () =>
    new Response(
      new ReadableStream(
        {
          async pull(controller) {
            controller.enqueue(await next())
          },
        },
        { highWaterMark: 0 },
      ),
    )

/** 1 MiB in 1 KiB, unpacked on its way as a `fetch` does it. */
const bomb = gzipSync(Buffer.alloc(1 << 20, ' '))
const gzip: Answer = () => {
  const packed = new Response(bomb).body ?? expect.fail('A response with a body has one')
  const reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader()
  const unpacked = new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await trackThreadPool(reader.read())
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
  return new Response(unpacked, {
    headers: { 'content-encoding': 'gzip', 'content-length': String(bomb.length) },
  })
}

/** Attack 37, and what is no document: for the metadata, the keys and the introspection alike. */
const failures: readonly (readonly [string, Answer])[] = [
  ['no such host', rejecting('ENOTFOUND')],
  ['refused', rejecting('ECONNREFUSED')],
  ['silence', silence],
  ['silence, signal ignored', () => new Promise(() => undefined)],
  ['a body that stops', endless(() => new Promise(() => undefined))],
  ['a body that drips', endless(() => new Promise((resolve) => setImmediate(resolve, Buffer.from(' '))))],
  ['429, 120 s', status(429, { 'retry-after': '120' })],
  ['429, a date', status(429, { 'retry-after': new Date((NOW + 200_000) * 1000).toUTCString() })],
  ['429, absurd', status(429, { 'retry-after': '9'.repeat(30) })],
  ['503', status(503)],
  ['503, 120 s', status(503, { 'retry-after': '120' })],
  ['404', status(404)],
  ['301', status(301, { location: 'https://evil.example/' })],
  ['HTML with 200', text('<!doctype html><title>Login</title>', 'text/html')],
  ['truncated JSON', text('{"issuer":"https://issuer.example","keys":[{"kty"')],
  ['null', text('null')],
  ['too large', endless(() => new Uint8Array(1 << 16).fill(0x20))],
  ['too large, says so', status(200, { 'content-length': String(300 << 20) })],
  ['too large, gzip', gzip],
]

const metadataFault = (what: string, members: object): Fault => ({
  attack: 35,
  what: `metadata: ${what}`,
  breaks: ['metadata'],
  strike: ({ documents }) => {
    documents.metadata = metadataWith(members)
  },
})

const keysFault = (what: string, body: unknown): Fault => ({
  attack: 38,
  what: `keys: ${what}`,
  breaks: ['keys'],
  strike: ({ documents }) => {
    documents.jwks = () => jsonResponse(body)
  },
})

const noFault = (attack: number, what: string, strike: Fault['strike']): Fault => ({
  attack,
  what,
  breaks: [],
  strike,
})

/** Attack 40: what the answer says, and what that makes of a token. */
const answers: readonly (readonly [string, (now: number) => object, ErrorCode])[] = [
  ['active: "true"', () => ({ active: 'true' }), 'ERR_TOKEN_INACTIVE'],
  ['active: 1', () => ({ active: 1 }), 'ERR_TOKEN_INACTIVE'],
  ['no active', () => ({ active: undefined }), 'ERR_TOKEN_INACTIVE'],
  ['active, past exp', (now) => ({ active: true, exp: now - 10 }), 'ERR_TOKEN_EXPIRED'],
  ['active, future nbf', (now) => ({ active: true, nbf: now + 60 }), 'ERR_TOKEN_NOT_YET_VALID'],
  ['active, other iss', () => ({ active: true, iss: `${ISSUER}/` }), 'ERR_ISSUER_NOT_ALLOWED'],
  ['active, other aud', () => ({ active: true, aud: ['other'] }), 'ERR_AUDIENCE_NOT_ALLOWED'],
  ['active, cnf', () => ({ active: true, cnf: { jkt: 'x' } }), 'ERR_TOKEN_BOUND'],
  ['active, exp a string', () => ({ active: true, exp: 'soon' }), 'ERR_CLAIM_INVALID'],
]

const NONE = noFault(0, 'none', () => undefined)

const faults: readonly Fault[] = [
  NONE,

  // Every byte of it: attacks-issuer.test.ts.
  metadataFault('issuer, first byte', { issuer: `i${ISSUER.slice(1)}` }),
  metadataFault('issuer, last byte', { issuer: `${ISSUER.slice(0, -1)}d` }),
  metadataFault('issuer with a slash', { issuer: `${ISSUER}/` }),
  metadataFault('jwks_uri over http', { jwks_uri: JWKS_URL.replace('https', 'http') }),
  metadataFault('jwks_uri a file', { jwks_uri: 'file:///etc/passwd' }),
  metadataFault('jwks_uri data', { jwks_uri: 'data:application/json,{"keys":[]}' }),
  {
    attack: 35,
    what: 'keys: a redirect followed',
    breaks: ['keys'],
    strike: ({ documents }) => {
      const { jwks } = documents
      documents.jwks = async (url, signal) =>
        Object.defineProperty(await jwks(url, signal), 'redirected', { value: true })
    },
  },
  {
    attack: 35,
    what: 'introspection_endpoint over http',
    breaks: ['introspection'],
    // The cached metadata are good for an hour, unless a token with an unknown key has them asked for whether the keys
    // are somewhere else; what comes after that hears of it as well.
    unnoticed: (moment, kind) => moment === 'fresh' && kind !== 'unknown' && kind !== 'opaque',
    overAfter: 301,
    strike: ({ documents }) => {
      documents.metadata = metadataWith({
        introspection_endpoint: INTROSPECTION_URL.replace('https', 'http'),
      })
    },
  },

  // What is not allowed here is refused all the same: the tokens that are `disallowed`.
  noFault(36, 'metadata list algorithms', ({ documents }) => {
    documents.publish(key.jwk, disallowed.jwk)
    const listed = ['none', 'HS256', 'ES256', 'RS256']
    documents.metadata = metadataWith({
      id_token_signing_alg_values_supported: listed,
      token_endpoint_auth_signing_alg_values_supported: listed,
      introspection_signing_alg_values_supported: listed,
    })
  }),

  ...failures.map(
    ([what, answer]): Fault => ({
      attack: 37,
      what: `metadata: ${what}`,
      breaks: ['metadata'],
      strike: ({ documents }) => {
        documents.metadata = answer
      },
    }),
  ),
  ...failures.map(
    ([what, answer]): Fault => ({
      attack: 37,
      what: `keys: ${what}`,
      breaks: ['keys'],
      strike: ({ documents }) => {
        documents.jwks = answer
      },
    }),
  ),
  ...failures.map(
    ([what, answer]): Fault => ({
      attack: 37,
      what: `everything: ${what}`,
      breaks: ['metadata', 'keys', 'introspection'],
      strike: (issuer) => {
        Object.assign(issuer.documents, { metadata: answer, jwks: answer })
        issuer.introspection = answer
      },
    }),
  ),

  keysFault('{keys:[]}', { keys: [] }),
  keysFault('{}', {}),
  keysFault('{keys:null}', { keys: null }),
  keysFault('malformed members only', { keys: [null, 5, {}, { kty: 'EC', crv: 'P-256', x: 'x' }] }),
  ...[null, [], { kty: 'EC', kid: 'good', crv: 'P-256', x: '!', y: '!' }].map((member) =>
    noFault(38, `keys: good ones and ${JSON.stringify(member).slice(0, 12)}`, ({ documents }) =>
      documents.publish(member, key.jwk),
    ),
  ),

  ...answers.flatMap(([what, said, refusal]): Fault[] => [
    {
      attack: 40,
      what,
      breaks: [],
      refusal,
      strike: (issuer, clock) => {
        issuer.said = said(clock.now())
      },
    },
    {
      attack: 40,
      what: `${what}; keys: 500`,
      breaks: ['keys'],
      refusal,
      strike: (issuer, clock) => {
        issuer.said = said(clock.now())
        issuer.documents.jwks = status(500)
      },
    },
  ]),

  ...failures.map(
    ([what, answer]): Fault => ({
      attack: 41,
      what: `introspection: ${what}`,
      breaks: ['introspection'],
      strike: (issuer) => {
        issuer.introspection = answer
      },
    }),
  ),
  ...([401, 400] as const).flatMap((code): Fault[] => [
    {
      attack: 41,
      what: `introspection: ${code}`,
      breaks: ['introspection'],
      refusesToJudge: code === 400,
      strike: (issuer) => {
        issuer.introspection = status(code, { 'www-authenticate': 'Basic realm="x"' })
      },
    },
    {
      attack: 41,
      what: `introspection: ${code}; keys: 500`,
      breaks: ['introspection', 'keys'],
      strike: (issuer) => {
        issuer.introspection = status(code)
        issuer.documents.jwks = status(500)
      },
    },
  ]),
]

// --- What is observed ---

interface Observation {
  readonly outcome: string
  /** By the timers, which are moved. */
  readonly waitedMs: number
}

/** What becomes of a token; time goes on only where nothing else does. */
async function observe(verifying: Promise<{ verifiedBy: string }>): Promise<Observation> {
  let outcome: string | undefined
  verifying.then(
    ({ verifiedBy }) => {
      outcome = `200 ${verifiedBy}`
    },
    (error: unknown) => {
      outcome = describeRefusal(error)
    },
  )
  let waitedMs = 0
  const stepMs = 1000
  await settle()
  while (outcome === undefined) {
    // Without a timer, or after so long, nothing will end the wait.
    if (vi.getTimerCount() === 0 || waitedMs > 60_000) return { outcome: 'hangs', waitedMs }
    vi.advanceTimersByTime(stepMs)
    waitedMs += stepMs
    await settle()
  }
  return { outcome, waitedMs }
}

/** Status and code; and what is wrong about the headers, if anything is. */
function describeRefusal(error: unknown): string {
  if (!(error instanceof TelnyxAuthError)) return `not an error of ours: ${error}`
  const { status, headers } = toResponse(error)
  const { 'Retry-After': retryAfter, 'WWW-Authenticate': challenge } = headers
  const seconds = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : 0
  const isRight =
    status === 503
      ? seconds >= 1 && seconds <= 300 && challenge === undefined
      : retryAfter === undefined && challenge?.includes('error="invalid_token"') === true
  return `${status} ${error.code}${isRight ? '' : ` with ${JSON.stringify(headers)}`}`
}

interface Setting {
  readonly clock: TestClock
  readonly issuer: Issuer
  readonly verifier: TokenVerifier
}

/** A verifier of an issuer that is well, at a moment of its keys' life. */
async function arrive({ moment, mode }: Cell): Promise<Setting> {
  const clock = new TestClock()
  const issuer = new Issuer(clock)
  const introspection = mode === 'off' ? undefined : { when: mode, clientId: 'api', clientSecret: 'secret' }
  const verifier = makeVerifier(issuer, { introspection, algorithms: ['RS256'] }, clock)
  if (moment !== 'before') {
    await verifier.preload()
    clock.advance(AGES[moment])
  }
  return { clock, issuer, verifier }
}

/** Everything that came out, to be printed: a sign for each outcome. */
const matrix = new Map<string, string[]>()
const SIGNS: readonly (readonly [RegExp, string])[] = [
  [/^200 signature$/, 'S'],
  [/^200 introspection$/, 'I'],
  [/^200 both$/, 'B'],
  [/^401/, '4'],
  [/^503 ERR_DISCOVERY/, 'd'],
  [/^503 ERR_KEYS/, 'k'],
  [/^503 ERR_INTROSPECTION/, 'i'],
]
const signOf = (outcome: string) => SIGNS.find(([pattern]) => pattern.test(outcome))?.[1] ?? '?'

function note(title: string, attack: number, what: string, cells: readonly (readonly string[])[]): void {
  const columns = cells.map((outcomes) => outcomes.map(signOf).join('').padEnd(WIDTH))
  const lines = matrix.get(title) ?? headingOf(title)
  matrix.set(title, lines)
  lines.push(`${String(attack).padStart(2)} ${what.padEnd(42)} ${columns.join(' ')}`)
}

const WIDTH = 8

function headingOf(title: string): string[] {
  const moments = MOMENTS.map((moment) => moment.padEnd(MODES.length * (WIDTH + 1)))
  const modes = CELLS.map(({ mode }) => mode.padEnd(WIDTH + 1))
  const indent = ' '.repeat(46)
  return ['', title, indent + moments.join(''), indent + modes.join('')]
}

const FAULTS = `Faults: in each cell ${KINDS.join(', ')}`
const ROTATIONS = 'Rotations: in each cell a token of the old key, and one of the new'
const FLOODS = 'Floods: in each cell what becomes of all of them'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})
afterAll(() => {
  console.log(
    [
      'What becomes of a token when the issuer misbehaves',
      'S accepted by its signature, I by introspection, B by both; 4 refused (401);',
      'undecided (503): d for want of metadata, k of keys, i of introspection',
      ...[...matrix.values()].flat(),
    ].join('\n'),
  )
})

describe('attacks 35–38, 40, 41: every fault, moment, mode and kind of token', { timeout: 30_000 }, () => {
  it.each(faults.map((fault, index) => ({ ...fault, index })))('attack $attack: $what', async (fault) => {
    const wrong: object[] = []
    const cells: string[][] = []
    for (const cell of CELLS) {
      const outcomes = new Map<Kind, string>()
      if (!isTurnOf(fault.index, cell)) {
        cells.push([])
        continue
      }
      for (const kinds of TOGETHER) {
        const setting = await arrive(cell)
        const { clock, issuer, verifier } = setting
        const { metadata, jwks } = issuer.documents
        fault.strike(issuer, clock)
        for (const kind of kinds) {
          const token = mint(kind, setting)
          const right = ruling(fault, cell, kind)
          // And once more, out of what is remembered or during the pause.
          for (const when of ['at first', 'again']) {
            const { outcome, waitedMs } = await observe(verifier.verify(token))
            if (outcome !== right || waitedMs > patience(cell, kind))
              wrong.push({ ...cell, kind, when, outcome, right, waitedMs })
            if (when === 'at first') outcomes.set(kind, outcome)
          }
          // Attack 42: what is definitely refused here is never sent.
          const isFinal = kind === 'expired' || kind === 'disallowed' || right === '401 ERR_SIGNATURE_INVALID'
          if (isFinal && issuer.introspected.includes(token)) wrong.push({ ...cell, kind, was: 'sent' })
        }

        // A positive control: after the fault, every request succeeds again.
        if (!kinds.includes('good')) continue
        Object.assign(issuer.documents, { metadata, jwks })
        Object.assign(issuer, { introspection: undefined, said: {} })
        clock.advance(fault.overAfter ?? 301)
        const { outcome } = await observe(verifier.verify(mint('good', setting)))
        const right = ruling(NONE, cell, 'good')
        if (outcome !== right) wrong.push({ ...cell, when: 'afterwards', outcome, right })
      }
      cells.push(KINDS.map((kind) => outcomes.get(kind) ?? ''))
    }
    note(FAULTS, fault.attack, fault.what, cells)
    expect(wrong).toEqual([])
  })
})

describe('attack 37: what Retry-After says while there are no keys', () => {
  it.each([
    ['nothing', undefined, '5'],
    ['seconds', '120', '120'],
    ['no time', '0', '5'],
    ['a date', new Date((NOW + 90) * 1000).toUTCString(), '90'],
    ['a past date', 'Wed, 21 Oct 2015 07:28:00 GMT', '5'],
    ['absurd seconds', '9'.repeat(30), '240'],
    ['an absurd date', 'Wed, 21 Oct 2099 07:28:00 GMT', '240'],
    ['nonsense', '-1, soon', '5'],
  ])('%s', async (_, said, told) => {
    for (const code of [429, 503]) {
      const { issuer, verifier } = await arrive({ moment: 'before', mode: 'off' })
      issuer.documents.jwks = status(code, said === undefined ? {} : { 'retry-after': said })
      const error = await rejectionOf(verifier.preload())
      expect(toResponse(error).headers['Retry-After']).toBe(told)
    }
  })
})

// --- Rotations and floods: what is right is said for each ---

const OLD_AND_NEW = ['old', 'new'] as const
type Age = (typeof OLD_AND_NEW)[number]

interface Rotation {
  readonly what: string
  /** Leads to the rotation, with it. */
  rotate(setting: Setting): Promise<void>
  /** What signs new tokens. */
  readonly newKey: ForgeKey
  /** Whether the issuer still stands by the old tokens when it is asked. */
  readonly keepsOld: boolean
  right(cell: Cell, age: Age): Outcome
  /** Seconds after which new tokens are accepted and old ones are what the issuer says, if not at once. */
  readonly overAfter?: number
}

/** A good token whose key is cached. */
const accepted = ({ mode }: Cell): Outcome => (mode === 'always' ? '200 both' : '200 signature')
const isAtHand = ({ moment }: Cell) => moment === 'fresh' || moment === 'stale'

const rotations: readonly Rotation[] = [
  {
    what: 'quiet, the old key is kept',
    rotate: async ({ issuer }) => issuer.documents.publish(key.jwk, next.jwk),
    newKey: next,
    keepsOld: true,
    // One request, and no caller is refused.
    right: accepted,
  },
  {
    what: 'quiet, the old key is withdrawn',
    rotate: async ({ issuer }) => issuer.documents.publish(next.jwk),
    newKey: next,
    keepsOld: false,
    right: (cell, age) => {
      if (age === 'new') return accepted(cell)
      // It is noticed at the next refresh: until then only the issuer could tell.
      if (cell.moment === 'fresh') return cell.mode === 'always' ? '401 ERR_TOKEN_INACTIVE' : '200 signature'
      return cell.mode === 'off' ? '401 ERR_KEY_NOT_FOUND' : '401 ERR_TOKEN_INACTIVE'
    },
    overAfter: 300,
  },
  {
    what: 'during a flood of unknown kids',
    rotate: async ({ clock, issuer, verifier }) => {
      for (let n = 0; n < 10; n++) {
        const flood = goodToken(foreign, { iat: clock.now(), exp: clock.now() + 60 }, { kid: `unknown-${n}` })
        await observe(verifier.verify(flood))
      }
      issuer.documents.publish(key.jwk, next.jwk)
    },
    newKey: next,
    keepsOld: true,
    right: (cell, age) => {
      if (age === 'old') return accepted(cell)
      // The flood has used up the budget for fetching keys. The new key was not looked up, so nothing is decided about it;
      // within half a minute it is.
      return cell.mode === 'off' ? '503 ERR_KEYS_UNAVAILABLE' : '200 introspection'
    },
    overAfter: 30,
  },
  {
    what: 'during the pause after failures',
    rotate: async ({ clock, issuer, verifier }) => {
      const { documents } = issuer
      documents.jwks = status(500)
      const unknown = goodToken(foreign, { iat: clock.now(), exp: clock.now() + 60 })
      await observe(verifier.verify(unknown))
      documents.publish(key.jwk, next.jwk)
    },
    newKey: next,
    keepsOld: true,
    right: (cell, age) => {
      if (age === 'old' && isAtHand(cell)) return accepted(cell)
      // Whether there is such a key cannot be told before the pause is over: the issuer's fault, not the caller's.
      return cell.mode === 'off' ? '503 ERR_KEYS_UNAVAILABLE' : '200 introspection'
    },
    overAfter: 60,
  },
  {
    what: 'the same kid with new material',
    rotate: async ({ issuer }) => issuer.documents.publish(sameKid.jwk),
    newKey: sameKid,
    keepsOld: false,
    right: (cell, age) => {
      // By what is known until the next refresh, the signature of a new token does not fit the key that it names; to
      // ask again because of that would make every forged token a request. Five minutes by default.
      if (cell.moment === 'fresh' && age === 'new') return '401 ERR_SIGNATURE_INVALID'
      if (cell.moment === 'fresh') return cell.mode === 'always' ? '401 ERR_TOKEN_INACTIVE' : '200 signature'
      return age === 'new' ? accepted(cell) : '401 ERR_SIGNATURE_INVALID'
    },
    overAfter: 300,
  },
]

describe('attack 39: rotations, at every moment', { timeout: 30_000 }, () => {
  it.each(rotations)('$what', async ({ what, rotate, newKey, keepsOld, right, overAfter }) => {
    const wrong: object[] = []
    const cells: string[][] = []
    for (const cell of CELLS) {
      const outcomes: string[] = []
      for (const age of OLD_AND_NEW) {
        const setting = await arrive(cell)
        const { clock, issuer, verifier } = setting
        await rotate(setting)
        const ask = async (): Promise<string> => {
          const claims = { iat: clock.now(), exp: clock.now() + 3600 }
          const token = goodToken(age === 'new' ? newKey : key, claims)
          if (age === 'new' || keepsOld) issuer.active.add(token)
          return (await observe(verifier.verify(token))).outcome
        }
        const outcome = await ask()
        outcomes.push(outcome)
        if (outcome !== right(cell, age)) wrong.push({ ...cell, age, outcome, right: right(cell, age) })
        if (overAfter === undefined) continue
        clock.advance(overAfter)
        const later = await ask()
        const good = age === 'new' || keepsOld
        if (good ? later !== accepted(cell) : !later.startsWith('401')) wrong.push({ ...cell, age, later })
      }
      cells.push(outcomes)
    }
    note(ROTATIONS, 39, what, cells)
    expect(wrong).toEqual([])
  })
})

/** Many at once: what became of them, one line for each outcome, and what the issuer was asked. */
async function flood({ issuer, verifier }: Setting, tokens: readonly string[]) {
  const keysBefore = issuer.documents.keyRequests
  const observations = await Promise.all(tokens.map((token) => observe(verifier.verify(token))))
  return {
    outcomes: [...new Set(observations.map(({ outcome }) => outcome))],
    keyRequests: issuer.documents.keyRequests - keysBefore,
    introspections: issuer.introspected.length,
  }
}

describe('attacks 39, 42 and 43: many at once, at every moment', { timeout: 30_000 }, () => {
  const MANY = 120

  interface Flood {
    readonly attack: number
    readonly what: string
    readonly isDown?: boolean
    tokens(setting: Setting): string[]
    right(cell: Cell): Outcome
    introspections(cell: Cell): number
  }
  const many = (kinds: readonly Kind[]) => (setting: Setting) =>
    Array.from({ length: MANY }, (_, n) => mint(kinds[n % kinds.length] ?? 'good', setting))
  const distinct =
    (kid: (n: number) => string) =>
    ({ clock }: Setting) => {
      return Array.from({ length: MANY / 4 }, (_, n) => {
        const claims = { iat: clock.now(), exp: clock.now() + 60, jti: `${n}` }
        return goodToken(foreign, claims, { kid: kid(n) })
      })
    }
  const floods: readonly Flood[] = [
    {
      attack: 39,
      what: 'a herd at expiry',
      tokens: many(['good']),
      right: accepted,
      introspections: ({ mode }) => (mode === 'always' ? 1 : 0),
    },
    {
      attack: 39,
      what: 'a herd while the issuer is down',
      isDown: true,
      tokens: many(['good']),
      right: (cell) => {
        if (isAtHand(cell) && cell.mode !== 'always') return '200 signature'
        if (isAtHand(cell)) return '503 ERR_INTROSPECTION_UNAVAILABLE'
        return '503 ERR_DISCOVERY_FAILED'
      },
      // All callers share one request (single flight), which is retried once.
      introspections: (cell) => (isAtHand(cell) && cell.mode === 'always' ? 2 : 0),
    },
    {
      attack: 43,
      what: 'forged tokens',
      tokens: distinct(() => key.kid),
      right: () => '401 ERR_SIGNATURE_INVALID',
      introspections: () => 0,
    },
    {
      attack: 43,
      what: 'expired tokens',
      tokens: many(['expired']),
      right: () => '401 ERR_TOKEN_EXPIRED',
      introspections: () => 0,
    },
    {
      attack: 43,
      what: 'tokens with unknown kids',
      tokens: distinct((n) => `unknown-${n}`),
      right: ({ mode }) => (mode === 'off' ? '401 ERR_KEY_NOT_FOUND' : '401 ERR_TOKEN_INACTIVE'),
      // Only the issuer can tell: each is a question of its own.
      introspections: ({ mode }) => (mode === 'off' ? 0 : MANY / 4),
    },
  ]

  it.each(floods)(
    'attack $attack: $what',
    async ({ attack, what, isDown, tokens, right, introspections }) => {
      const wrong: object[] = []
      const cells: string[][] = []
      for (const cell of CELLS) {
        const setting = await arrive(cell)
        const { issuer } = setting
        if (isDown) {
          Object.assign(issuer.documents, { metadata: status(500), jwks: status(500) })
          issuer.introspection = async (...asked) => {
            // As over a network, which takes longer than to check the tokens of all callers.
            await until(() => pendingInThreadPool() === 0)
            return status(500)(...asked)
          }
        }
        const { outcomes, keyRequests, ...asked } = await flood(setting, tokens(setting))
        cells.push(outcomes)
        const isRight = outcomes.length === 1 && outcomes[0] === right(cell)
        // Once for the lifetime, once for the kids; each may be repeated once.
        if (!isRight || keyRequests > 2 || asked.introspections !== introspections(cell))
          wrong.push({ ...cell, outcomes, right: right(cell), keyRequests, ...asked })
      }
      note(FLOODS, attack, what, cells)
      expect(wrong).toEqual([])
    },
  )

  it('attack 43: good tokens do not wait beside a flood of unknown kids, with the issuer silent', async () => {
    const setting = await arrive({ moment: 'fresh', mode: 'off' })
    setting.issuer.documents.jwks = silence
    const unknown = distinct((n) => `unknown-${n}`)(setting)
    const flooding = Promise.all(unknown.map((token) => observe(setting.verifier.verify(token))))
    const good = await observe(setting.verifier.verify(mint('good', setting)))
    expect(good).toEqual({ outcome: '200 signature', waitedMs: 0 })
    const outcomes = new Set((await flooding).map(({ outcome }) => outcome))
    expect([...outcomes]).toEqual(['503 ERR_KEYS_UNAVAILABLE'])
    expect(setting.issuer.documents.keyRequests).toBe(2)
  })
})
