import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { checkLayers, type Layers } from '../support/layers.js'

const SRC = fileURLToPath(new URL('../../packages/core/src', import.meta.url))

/** The rooms of core, from the top floor down. A room may import every room below its own. */
const ROOMS = [
  'adapter', // the seam for web frameworks
  '.', // the public API, and the corridor: verifier.ts
  'resource', // how does this API describe itself?
  'issuer', // what does only the issuer know?
  'issuer/introspection',
  'issuer/keys',
  'issuer/discovery',
  'issuer/http',
  'sender', // may the sender use this token?
  'policy', // is this token enough here?
  'telemetry', // what do operators see?
  'token', // what does the token say, and who signed it?
  'request', // what did the caller send?
  'errors', // what does the caller get back?
  'base', // imports nothing of ours
]

it('the rooms of core import downward only, without a circle', async () => {
  const layers: Layers = Object.fromEntries(ROOMS.map((room, floor) => [room, ROOMS.slice(floor + 1)]))
  expect(await checkLayers(SRC, layers)).toEqual({ violations: [], circles: [] })
})
