import { beforeEach, expect, it, vi } from 'vitest'
import { issuer, runFragment } from './run-fragment.js'
import { fragments } from './snippets.js'

/**
 * The fragments of JavaScript in the documents run: their options are accepted together, and what they call exists.
 */

/** Those that cannot run alone, by a piece of their text, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  createReplayStore: 'It needs a server of Redis. test/redis has one.',
  createIntrospectionCache: 'It needs a server of Redis. test/redis has one.',
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
  await expect(runFragment(fragment)).resolves.toBeUndefined()
})

it('each that is said not to run is there', () => {
  expect(Object.keys(NOT_RUN).filter((text) => !runnable.some(({ code }) => code.includes(text)))).toEqual([])
})
