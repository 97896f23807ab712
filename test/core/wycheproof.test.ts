import { describe, expect, it } from 'vitest'
import {
  isPending,
  nodeSignatureEngine,
  type SignatureEngine,
  verifySignature,
  webSignatureEngine,
} from '../../packages/core/src/testing.js'
import { bind } from '../support/bind-key.js'
import { turnOfEventLoop } from '../support/event-loop.js'
import { readWycheproof } from '../support/wycheproof.js'

/**
 * Project Wycheproof: signatures that implementations have accepted by mistake, such as ECDSA in DER, wrong salts, garbage in
 * PKCS #1 padding, and good ones that they have refused, such as those with extreme numbers.
 */

const GROUPS = readWycheproof()
const FILES = [...new Set(GROUPS.map(({ file, algorithm }) => `${file} ${algorithm}`))]
const bytes = (text: string) => Buffer.from(text, 'base64url')

/** The vectors of a file, each with its key: none where the key does not fit the algorithm. */
function vectorsOf(engine: SignatureEngine, fileAndAlgorithm: string) {
  const groups = GROUPS.filter(({ file, algorithm }) => `${file} ${algorithm}` === fileAndAlgorithm)
  return Promise.all(
    groups.map(async ({ spki, algorithm, tests }) => {
      const key = await bind(engine, bytes(spki), algorithm)
      return tests.map(({ message, signature, ...test }) => ({
        ...test,
        key,
        signed: { signingInput: bytes(message), signature: bytes(signature) },
      }))
    }),
  ).then((each) => each.flat())
}

describe.each(FILES)('%s', (file) => {
  it.each([
    ['node:crypto', nodeSignatureEngine],
    ['Web Crypto', webSignatureEngine],
  ])('%s decides as it should, one by one and at once', async (_, engine) => {
    const vectors = await vectorsOf(engine, file)
    const wrong: object[] = []
    const check = (accepted: boolean, { id, about, accepts }: (typeof vectors)[number], how: string) => {
      if (accepted !== accepts) wrong.push({ id, about, accepted, how })
    }
    for (const vector of vectors) {
      // Then the event loop has time for a check of its own.
      await turnOfEventLoop()
      check(vector.key !== undefined && (await verifySignature(vector.key, vector.signed)), vector, 'alone')
    }
    const answers = vectors.map(({ key, signed }) => key !== undefined && verifySignature(key, signed))
    for (const [index, answer] of answers.entries()) {
      const vector = vectors[index]
      if (vector) check(await answer, vector, 'at once')
    }
    expect(wrong).toEqual([])
    expect(vectors.length).toBeGreaterThan(0)
  })
})

it('the vectors were checked in the event loop and in the thread pool', async () => {
  const vectors = await vectorsOf(nodeSignatureEngine, 'ed25519_test EdDSA')
  await turnOfEventLoop()
  const answers = vectors.map(({ key, signed }) => key !== undefined && verifySignature(key, signed))
  expect(answers.filter((answer) => answer === true).length).toBeGreaterThan(0)
  expect(answers.filter(isPending).length).toBeGreaterThan(0)
  await Promise.all(answers)
})

it('the vectors have good and bad signatures of every scheme', () => {
  for (const algorithm of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'])
    for (const accepts of [true, false]) {
      const tests = GROUPS.filter((group) => group.algorithm === algorithm).flatMap((group) => group.tests)
      expect(tests.filter((test) => test.accepts === accepts).length, algorithm).toBeGreaterThanOrEqual(2)
    }
})
