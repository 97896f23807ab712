import type { MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { read } from '../docs/markdown.js'
import { segmentsOf } from '../support/forge.js'
import type { TokenOptions } from '../support/issuer.js'
import { installedFile } from './installed.js'
import { DOCUMENTS, expectTable } from './tables.js'
import { COMPARED, type Compared, listeningIssuer, type Present, type Verdict } from './verifiers.js'

const PAGE = `${DOCUMENTS}/comparison.md`
const HEAD = COMPARED.map(({ packages }) => packages.join(', '))
const JKT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'

const issuer = await listeningIssuer()
afterAll(() => issuer.close())

beforeEach(() => {
  // Some applications log refusals.
  vi.spyOn(console, 'error').mockReturnValue(undefined)
})

const nowSeconds = () => Math.floor(Date.now() / 1000)
const issued = (options: TokenOptions) => () => issuer.issueToken(options)

/** The same bytes in another spelling: unused bits of the last character are set. */
async function respelled(): Promise<string> {
  const token = await issuer.issueToken()
  const [, , signature] = segmentsOf(token)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(signature.slice(-1))
  const other = `${token.slice(0, -1)}${alphabet[last ^ 1]}`
  expect(Buffer.from(other.split('.')[2] ?? '', 'base64url')).toEqual(Buffer.from(signature, 'base64url'))
  return other
}

const TOKENS: readonly (readonly [string, () => Promise<string>])[] = [
  ['a good access token (`typ: at+jwt`)', issued({})],
  ['`typ: JWT`', issued({ header: { typ: 'JWT' } })],
  ['no `typ`', issued({ header: { typ: undefined } })],
  ['a logout token (`typ: logout+jwt`)', issued({ header: { typ: 'logout+jwt' } })],
  [
    'no `sub`, `client_id`, `iat`, `jti`',
    issued({ claims: { sub: undefined, client_id: undefined, iat: undefined, jti: undefined } }),
  ],
  ['several audiences, one is this API', issued({ audience: ['https://api.example.com', 'urn:other'] })],
  ['no `kid`, one key', issued({ header: { kid: undefined } })],
  ['no `exp`', issued({ claims: { exp: undefined } })],
  ['`nbf` in an hour', () => issuer.issueToken({ claims: { nbf: nowSeconds() + 3600 } })],
  ['`iat` in an hour', () => issuer.issueToken({ claims: { iat: nowSeconds() + 3600 } })],
  ['bound to a key (`cnf.jkt`), without a proof', issued({ jkt: JKT })],
  ['bound to a certificate (`cnf.x5t#S256`), without it', issued({ x5t: JKT })],
  ['an extension that must be understood (`crit`)', issued({ header: { crit: ['x-new'], 'x-new': true } })],
  ['another spelling of a good token', respelled],
]

/** The same verdict of all packages of a column once, different ones in their order. */
function cellOf(verdicts: readonly Verdict[]): string {
  const words = verdicts.map((verdict) => (verdict === 401 ? 'refused' : String(verdict)))
  return [...new Set(words)].length === 1 ? (words[0] ?? '') : words.join(', ')
}

const createAll = (compared: Compared, from: MockIssuer): Promise<Present[]> =>
  Promise.all(compared.create.map((create) => create(from)))

it('which tokens pass', async () => {
  const verifiers = await Promise.all(COMPARED.map((compared) => createAll(compared, issuer)))
  const rows: string[][] = []
  for (const [title, create] of TOKENS) {
    const token = await create()
    const verdicts = await Promise.all(
      verifiers.map((each) => Promise.all(each.map((present) => present(token)))),
    )
    rows.push([title, ...verdicts.map(cellOf)])
  }
  await expectTable(PAGE, 'tokens', [['token', ...HEAD], ...rows])
})

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

describe('how keys are kept', () => {
  const rows: string[][] = []

  /** Measures one row: each package in its turn, so that fetches can be counted. */
  async function measure(title: string, columns: Present[][], cell: (present: Present) => Promise<Verdict>) {
    const row = [title]
    for (const column of columns) {
      const verdicts: Verdict[] = []
      for (const present of column) verdicts.push(await cell(present))
      row.push(cellOf(verdicts))
    }
    rows.push(row)
  }

  it('is measured', async () => {
    // `performance.now()` is never 0, and lru-cache takes 0 for no time.
    const start = Date.now() - 1000
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    // Fake timers replace the object, but some packages hold on to the old one.
    vi.spyOn(performance, 'now').mockImplementation(() => Date.now() - start)

    const own = await listeningIssuer()
    onTestFinished(() => own.close())
    const issue = (kid?: string) =>
      own.issueToken({ expiresInSeconds: (7 * DAY_MS) / 1000, ...(kid !== undefined && { header: { kid } }) })
    const accepts = (token: string) => (present: Present) => present(token)
    /** Verifiers that have just fetched the keys. */
    const withKeys = async (token: string) => {
      const columns = await Promise.all(COMPARED.map((compared) => createAll(compared, own)))
      for (const present of columns.flat()) expect(await present(token)).toBe('accepted')
      return columns
    }

    const first = await issue()
    const flooded = await withKeys(first)
    await own.rotateKeys({ keepOld: true })
    const second = await issue()
    await measure('just after the keys were fetched, a token with a new key', flooded, accepts(second))
    const strangers = await Promise.all(Array.from({ length: 12 }, (_, index) => issue(`made-up-${index}`)))
    await measure('then 12 tokens with made-up key ids: fetches of the keys', flooded, async (present) => {
      const before = own.requests.jwks.count
      for (const stranger of strangers) await present(stranger)
      return own.requests.jwks.count - before
    })
    await measure('then a token with a cached key', flooded, accepts(first))
    await own.rotateKeys({ keepOld: true })
    await measure('then a token with another new key', flooded, accepts(await issue()))

    const cutOff = await withKeys(second)
    for (const endpoint of ['metadata', 'jwks'] as const) own.fault(endpoint, { status: 503 })
    vi.advanceTimersByTime(11 * MINUTE_MS)
    await measure('a good token, 11 minutes after the issuer went down', cutOff, accepts(second))
    vi.advanceTimersByTime(DAY_MS)
    await measure('the same, a day later', cutOff, accepts(second))
    own.clearFaults()

    const outdated = await withKeys(second)
    await own.rotateKeys({ keepOld: false })
    vi.advanceTimersByTime(11 * MINUTE_MS)
    await measure('an old token, 11 minutes after its key was withdrawn', outdated, accepts(second))

    await expectTable(PAGE, 'keys', [['', ...HEAD], ...rows])
  })
})

/** A row about a package, from its manifest. */
function rowOf(manifest: unknown): string[] {
  const { name, version, type, engines, exports, dependencies } = Object(manifest)
  const node: unknown = Object(engines).node
  const { import: esm, require: commonJs } = Object(Object(exports)['.'])
  const modules = esm && commonJs ? 'both' : type === 'module' ? 'ESM' : 'CommonJS'
  return [
    `${name} ${version}`,
    typeof node === 'string' ? node.replaceAll(' || ', ', ') : '–',
    modules,
    Object.keys(Object(dependencies)).join(', ') || 'nothing',
  ]
}

// Where a version changes, the table "What they have" has to be read off its source again.
it('which versions were compared', async () => {
  const others = [
    'express-oauth2-jwt-bearer',
    'express-jwt',
    'koa-jwt',
    'passport-jwt',
    'passport',
    'jsonwebtoken',
  ]
    .concat('jwks-rsa', 'fastify-jwt-jwks', 'fast-jwt', 'jose', 'aws-jwt-verify', 'oauth4webapi')
    .map((name) => installedFile(name, 'package.json'))
  const manifests = [await read('packages/core/package.json'), ...others].map((text): unknown =>
    JSON.parse(text),
  )
  await expectTable(PAGE, 'packages', [
    ['package', 'Node', 'modules', 'dependencies'],
    ...manifests.map(rowOf),
  ])
})
