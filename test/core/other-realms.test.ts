import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import {
  ForgedIssuer,
  goodToken,
  ISSUER,
  JWKS_URL,
  METADATA_URL,
  makeKey,
  makeVerifier,
  rejectionOf,
} from '../support/forge.js'

/**
 * Bodies whose bytes are of another realm than this code, as in a `vm` context or in the jsdom environment of a test runner:
 * `instanceof Uint8Array` does not know them.
 */

const key = makeKey('ES256', 'good')
const token = goodToken(key)
const INTROSPECTION_URL = `${ISSUER}/introspect`

type View = 'Uint8Array' | 'Uint8ClampedArray' | 'DataView'

/** The bytes of a text, in pieces that were made in another realm. */
function foreignPieces(text: string, view: View): unknown[] {
  const bytes = [...Buffer.from(text)]
  const make: (bytes: number[], view: View) => unknown = runInNewContext(`(bytes, view) => {
    const { buffer } = new Uint8Array([0, 0, ...bytes, 0])
    return view === 'DataView'
      ? new DataView(buffer, 2, bytes.length)
      : new globalThis[view](buffer, 2, bytes.length)
  }`)
  const half = Math.floor(bytes.length / 2)
  return [make(bytes.slice(0, half), view), make([], view), make(bytes.slice(half), view)]
}

function foreignResponse(document: unknown, view: View) {
  const pieces = foreignPieces(JSON.stringify(document), view)
  return {
    status: 200,
    headers: new Headers(),
    body: {
      getReader: () => ({
        read: async () => {
          const value = pieces.shift()
          return value === undefined ? { done: true } : { done: false, value }
        },
        cancel: async () => undefined,
      }),
    },
  }
}

const documents: Readonly<Record<string, unknown>> = {
  [METADATA_URL]: { issuer: ISSUER, jwks_uri: JWKS_URL, introspection_endpoint: INTROSPECTION_URL },
  [JWKS_URL]: { keys: [key.jwk] },
  [INTROSPECTION_URL]: { active: true, sub: 'user-1' },
}

describe('D4: a body whose bytes are of another realm', () => {
  it('is not known by instanceof, which is what this is about', () => {
    expect(foreignPieces('{}', 'Uint8Array')[0]).not.toBeInstanceOf(Uint8Array)
  })

  it.each(['Uint8Array', 'Uint8ClampedArray', 'DataView'] as const)(
    'A: metadata, keys and introspection as %s',
    async (view) => {
      const asked: string[] = []
      const fetch = async (url: string) => {
        asked.push(url)
        return foreignResponse(documents[url], view)
      }
      const introspection = { clientId: 'api', clientSecret: 's', when: 'always' as const }
      const verifier = makeVerifier({ fetch }, { introspection })
      await expect(verifier.verify(token)).resolves.toMatchObject({ verifiedBy: 'both' })
      await expect(verifier.verify('opaque-token')).resolves.toMatchObject({ verifiedBy: 'introspection' })
      expect(asked).toEqual([METADATA_URL, JWKS_URL, INTROSPECTION_URL, INTROSPECTION_URL])
    },
  )

  it('U: the size limit counts them', async () => {
    const issuer = new ForgedIssuer(key)
    const fetch: ForgedIssuer['fetch'] = async (url, init) =>
      url === JWKS_URL
        ? foreignResponse({ keys: [key.jwk], padding: 'x'.repeat(2000) }, 'Uint8Array')
        : issuer.fetch(url, init)
    const error = await rejectionOf(makeVerifier({ fetch }, { maxResponseBytes: 1000 }).verify(token))
    expect(error.cause).toMatchObject({ reason: 'too-large' })
  })

  it.each([['text'], [[123]], [{ length: 1 }], [new ArrayBuffer(2)], [5]])(
    'U: %j are no bytes',
    async (value) => {
      let done = false
      const fetch = async () => ({
        ...foreignResponse({}, 'Uint8Array'),
        body: {
          getReader: () => ({
            read: async () => {
              if (done) return { done: true }
              done = true
              return { done: false, value }
            },
            cancel: async () => undefined,
          }),
        },
      })
      const error = await rejectionOf(makeVerifier({ fetch }, { retries: 0 }).verify(token))
      expect(error.cause).toMatchObject({ reason: 'network' })
    },
  )
})
