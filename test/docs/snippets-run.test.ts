import { EventEmitter } from 'node:events'
import * as mockIssuer from '@telnyx-auth/mock-issuer'
import * as express from 'express'
import { beforeEach, expect, it, vi } from 'vitest'
import { packagesOf } from './snippet-context.js'
import { type Fragment, fragments, importedNames, partsOf } from './snippets.js'

/**
 * The fragments of JavaScript in the documents run: their options are accepted together, and what they call exists. Each is one
 * function, which is given what it does not declare.
 */

/** Those that cannot run alone, by a piece of their text, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  createReplayStore: 'It needs a server of Redis. test/redis has one.',
  createIntrospectionCache: 'It needs a server of Redis. test/redis has one.',
}

const AsyncFunction: new (...parts: string[]) => (...values: unknown[]) => Promise<unknown> =
  Object.getPrototypeOf(async () => {}).constructor

const AUDIENCE = 'https://api.example.com'
const issuer = await mockIssuer.createMockIssuer({ algorithm: 'ES256', audience: AUDIENCE })

/** Runs a fragment to its end. */
async function run({ code, document }: Fragment): Promise<void> {
  const { imports, body } = partsOf(code)
  const modules = await Promise.all([
    ...packagesOf(document).map((name) => import(name)),
    ...imports.map((text) => import(/['"](.+)['"]/.exec(text)?.[1] ?? '')),
  ])
  const { createVerifier } = modules[0]
  const token = await issuer.issueToken({ scopes: ['messaging.read'] })
  const socket = Object.assign(new EventEmitter(), { close() {} })
  const context: Record<string, unknown> = {
    createMockIssuer: mockIssuer.createMockIssuer,
    issuer,
    token,
    socket,
    app: express.default(),
    handler: () => {},
    logger: { info() {} },
    signatures: { inc() {} },
    apiKey: async () => 'KEY',
    verifier: createVerifier({ audience: AUDIENCE, issuer: issuer.issuer, fetch: issuer.fetch }),
    request: new Request(AUDIENCE, { headers: { authorization: `Bearer ${token}` } }),
    ...Object.assign({}, ...modules),
  }
  for (const text of imports) {
    const [, name] = /^import (\w+) from/.exec(text) ?? []
    if (name) context[name] = modules.at(-imports.length + imports.indexOf(text))?.default
  }
  const names = Object.keys(context).filter((name) => name !== 'default')
  // A block of its own, so that a fragment may declare any of these names itself.
  const work = new AsyncFunction(...names, `{${body.replaceAll(/^export (?:default )?/gm, '')}\n}`)
  await work(...names.map((name) => context[name]))
  socket.emit('close')
}

const runnable = (await fragments()).filter(
  ({ language, document }) => language === 'js' && document.startsWith('packages/core/'),
)

beforeEach(() => {
  vi.stubGlobal('fetch', issuer.fetch)
  vi.stubEnv('DPOP_NONCE_SECRET', 'x'.repeat(32))
  vi.stubEnv('TELNYX_CLIENT_ID', 'client-1')
  vi.stubEnv('TELNYX_CLIENT_SECRET', 'secret')
})

it.each(
  runnable
    .filter(({ code }) => !Object.keys(NOT_RUN).some((text) => code.includes(text)))
    .map((fragment) => [fragment.place, fragment] as const),
)('%s', async (_, fragment) => {
  await expect(run(fragment)).resolves.toBeUndefined()
})

it('each that is said not to run is there', () => {
  expect(
    Object.keys(NOT_RUN).filter((text) => !runnable.some(({ code }) => code.includes(text))),
  ).toEqual([])
})
