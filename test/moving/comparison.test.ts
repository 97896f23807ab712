import type { MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { read } from '../docs/markdown.js'
import { segmentsOf } from '../support/forge.js'
import type { TokenOptions } from '../support/issuer.js'
import { installedVersion } from './installed.js'
import { DOCUMENTS, expectTable, rowsIn } from './tables.js'
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

/** Numbers of fetches of the keys, and verdicts. */
interface Measured {
  readonly atOnce: number
  readonly flood: number
  readonly known: Verdict
  readonly rotated: Verdict
}

async function measureKeys(create: Compared['create'][number]): Promise<Measured> {
  const own = await listeningIssuer()
  onTestFinished(() => own.close())
  const present = await create(own)
  const fetches = () => own.requests.jwks.count
  const token = await own.issueToken()

  await Promise.all(Array.from({ length: 20 }, () => present(token)))
  const atOnce = fetches()
  for (let index = 0; index < 30; index++)
    await present(await own.issueToken({ header: { kid: `made-up-${index}` } }))
  const flood = fetches() - atOnce
  const known = await present(token)
  await own.rotateKeys({ keepOld: true })
  return { atOnce, flood, known, rotated: await present(await own.issueToken()) }
}

it('how keys are fetched', async () => {
  const columns = await Promise.all(
    COMPARED.map(({ create }) => Promise.all(create.map((each) => measureKeys(each)))),
  )
  const row = (title: string, cell: (measured: Measured) => Verdict) => [
    title,
    ...columns.map((column) => cellOf(column.map(cell))),
  ]
  await expectTable(PAGE, 'keys', [
    ['', ...HEAD],
    row('20 requests at once, no key cached: fetches', ({ atOnce }) => atOnce),
    row('then 30 tokens with made-up key ids: fetches', ({ flood }) => flood),
    row('then a token with a cached key', ({ known }) => known),
    row('then a token with a new key of the issuer', ({ rotated }) => rotated),
  ])
})

describe('the versions that were compared', () => {
  it('are those that are installed', async () => {
    const rows = rowsIn(await read(PAGE), 'What was compared')
    const named = rows.flatMap(([cell = '']) => Array.from(cell.matchAll(/([a-z\d@/-]+) (\d[\d.]+)/g)))
    expect(named.length).toBeGreaterThan(9)
    for (const [, name = '', version] of named) expect(version, name).toBe(installedVersion(name))
  })
})
