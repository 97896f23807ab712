import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { checkLayers, type Layers } from '../support/layers.js'

const SRC = fileURLToPath(new URL('../../packages/mock-issuer/src', import.meta.url))

/** Each room of the mock issuer, with the rooms that it may import. */
const LAYERS: Layers = {
  // The command: its arguments, what it prints, how it ends.
  cli: ['.', 'state', 'protocol'],
  // The public API: `createMockIssuer` and its options.
  '.': ['http', 'state', 'protocol'],
  // How requests are answered, from the table of operations to faults.
  http: ['state', 'protocol'],
  // What the issuer remembers: clients, grants, consents, keys, revoked tokens, requests.
  state: ['protocol'],
  // What OAuth and the API of Telnyx define. It remembers nothing.
  protocol: [],
}

it('the rooms of the mock issuer import downward only, without a circle', async () => {
  expect(await checkLayers(SRC, LAYERS)).toEqual({ violations: [], circles: [] })
})
