import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Consumer } from '../support/packed.js'
import { RUNTIMES, type RunningApp, startApp } from './run.js'
import { type Cell, partsTable } from './table.js'
import { AUDIENCE, createWorld, type World } from './world.js'

/** What users install runs on each runtime as the table in `runtimes.md` says. The tarballs are tried, not the source. */

interface Place {
  readonly app: RunningApp
  readonly world: World
}

/** Runs a part of `parts.mjs` or `server-parts.mjs` in the process of the other runtime. */
const part =
  (name: string) =>
  async ({ app, world }: Place) => {
    const response = await fetch(`${app.url}/parts/${name}`, {
      method: 'POST',
      body: JSON.stringify(world.input),
      headers: { 'content-type': 'application/json' },
    })
    if (response.status !== 200) throw new Error(await response.text())
  }

/** The statuses of several requests that are sent together. */
function statusesOf({ app }: Place, tokens: readonly string[]): Promise<number[]> {
  return Promise.all(
    tokens.map(async (token) => {
      const response = await fetch(`${app.url}/api/messages`, {
        headers: { authorization: `Bearer ${token}` },
      })
      await response.text()
      return response.status
    }),
  )
}

const claims = { audience: AUDIENCE, clientId: 'client-1', scopes: ['messaging.read'] }

/** Twelve new tokens. */
const newTokens = ({ world: { issuer } }: Place) =>
  Promise.all(Array.from({ length: 12 }, () => issuer.issueToken(claims)))

async function servesTogether(place: Place): Promise<void> {
  const { issuer } = place.world
  const before = issuer.requests.jwks.count
  const tokens = await newTokens(place)
  const bad = await issuer.issueToken({ ...claims, audience: 'urn:other' })
  expect(await statusesOf(place, [...tokens, bad])).toEqual([...tokens.map(() => 200), 401])
  // Single flight, and then the cache.
  expect(await statusesOf(place, tokens)).toEqual(tokens.map(() => 200))
  expect(issuer.requests.jwks.count - before).toBe(1)
}

async function findsNewKeys(place: Place): Promise<void> {
  const { issuer } = place.world
  const [old = ''] = await newTokens(place)
  expect(await statusesOf(place, [old])).toEqual([200])
  const before = issuer.requests.jwks.count
  await issuer.rotateKeys({ keepOld: false })
  const tokens = await newTokens(place)
  expect(await statusesOf(place, tokens)).toEqual(tokens.map(() => 200))
  expect(issuer.requests.jwks.count - before).toBe(1)
  expect(await statusesOf(place, [old])).toEqual([401])
  issuer.fault('metadata', { drop: true })
  issuer.fault('jwks', { status: 503 })
  const later = await newTokens(place)
  expect(await statusesOf(place, later)).toEqual(later.map(() => 200))
  issuer.clearFaults()
}

async function writesDebugLog({ app, world }: Place): Promise<void> {
  const expired = await world.issuer.issueToken({ ...claims, expiresInSeconds: -60 })
  await statusesOf({ app, world }, [expired])
  await expect.poll(app.log, { timeout: 2000 }).toMatch(/TELNYX-AUTH.*ERR_TOKEN_EXPIRED/)
}

/** How each row of the table is tried. In this order: the first one needs an application without keys. */
const PARTS: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  'Many requests at once, before the first keys': servesTogether,
  'Tokens: RS256, PS256, ES256, ES384, ES512, EdDSA': part('algorithms'),
  'Refusals, each with its code': part('refusals'),
  'Answers: 401, 403, challenges': part('answers'),
  'An issuer that cannot be reached: 503': part('outage'),
  'Introspection, with a shared cache': part('introspection'),
  'DPoP, with nonces and replays': part('dpop'),
  '`mtls` with a function': part('mtlsFunction'),
  '`mtls` with `Client-Cert`': part('mtlsHeader'),
  "`mtls: 'tls'`": part('mtlsTls'),
  'Events (`watch`)': part('events'),
  'Process warnings': part('warnings'),
  'Debug log (`NODE_DEBUG`)': writesDebugLog,
  '`require()`': part('require'),
  '`@telnyx-auth/mcp/hono`': part('mcp'),
  '`@telnyx-auth/express`': part('express'),
  '`@telnyx-auth/koa`': part('koa'),
  '`@telnyx-auth/fastify`': part('fastify'),
  '`@telnyx-auth/mock-issuer`': part('mockIssuer'),
  'A key rotation, and then an outage': findsNewKeys,
}

const table = await partsTable()
const PROGRAMS = ['app.mjs', 'parts.mjs', 'serve.mjs', 'server-parts.mjs', 'worker.mjs']

let consumer: Consumer
beforeAll(async () => {
  consumer = await Consumer.create()
  for (const name of PROGRAMS)
    await consumer.write(name, await readFile(fileURLToPath(new URL(name, import.meta.url)), 'utf8'))
})
afterAll(() => consumer.remove())

it('the table in runtimes.md has a row for each part, and no other', () => {
  expect([...table.keys()].sort()).toEqual(Object.keys(PARTS).sort())
})

describe.each(Object.entries(RUNTIMES))('%s', (runtime, column) => {
  const cellOf = (label: string): Cell => table.get(label)?.get(column) ?? expect.fail(`No cell for ${label}`)
  const labels = Object.keys(PARTS).filter((label) => table.get(label)?.get(column) !== 'not tried')
  let place: Place
  beforeAll(async () => {
    const world = await createWorld()
    const app = await startApp(runtime, consumer, {
      TELNYX_AUTH_ISSUER: world.issuer.issuer,
      TELNYX_AUTH_AUDIENCE: AUDIENCE,
      NODE_DEBUG: 'telnyx-auth',
    })
    place = { app, world }
  })
  afterAll(async () => {
    await place.app.stop()
    await place.world.close()
  })

  it.each(labels)('%s', async (label) => {
    const run = PARTS[label] ?? expect.fail(`There is no part ${label}`)
    if (cellOf(label) === 'works') await run(place)
    // What begins to work must be said.
    else await expect(run(place)).rejects.toThrow()
  })
})
