import type { Policy } from '@telnyx-auth/core'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TokenVerifier } from '../../packages/core/src/testing.js'
import { expectSameVerdict } from '../support/explained.js'

/**
 * `explain` and `verify` say the same of every token that another test gives to `verify`. These tests run here once more, and after
 * each of them, each verifier explains each of its tokens.
 */

interface Presented {
  readonly verifier: TokenVerifier
  readonly token: string
  readonly policy: Policy | undefined
}

let presented: Presented[] = []
let isRecording = true
const compared = { accepted: 0, refused: 0, undecided: 0 }

const { verify } = TokenVerifier.prototype
TokenVerifier.prototype.verify = function (token, policy) {
  if (isRecording) presented.push({ verifier: this, token, policy })
  return verify.call(this, token, policy)
}
afterAll(() => {
  TokenVerifier.prototype.verify = verify
})

/** They are about time and output, and their tokens are long. */
const NOT_COMPARED = [
  'uses linear time for a megabyte, where that is allowed',
  'refuses 64 MB of dots in no time',
  'writes one line for each refusal and each failed refresh, and no token',
  'writes nothing without it',
]
beforeEach(({ task }) => {
  isRecording = !NOT_COMPARED.includes(task.name)
})

afterEach(async () => {
  const all = presented
  try {
    for (const { verifier, token, policy } of all.slice()) {
      const outcome = await expectSameVerdict(verifier, token, policy)
      if (outcome) compared[outcome]++
    }
  } finally {
    presented = []
  }
})

describe.each([
  ['attacks-algorithm', () => import('./attacks-algorithm.test.js')],
  ['attacks-claims', () => import('./attacks-claims.test.js')],
  ['attacks-form', () => import('./attacks-form.test.js')],
  ['attacks-header', () => import('./attacks-header.test.js')],
  ['jwt-rules', () => import('./jwt-rules.test.js')],
  ['claim-names', () => import('./claim-names.test.js')],
  ['introspection-when', () => import('./introspection-when.test.js')],
  ['policy', () => import('./policy.test.js')],
  ['reasons', () => import('./reasons.test.js')],
  ['dpop-modes', () => import('./dpop-modes.test.js')],
  ['certificates', () => import('./certificates.test.js')],
  ['key-candidates', () => import('./key-candidates.test.js')],
])('the tokens of %s', async (_, register) => {
  await register()
})

it('tokens of all outcomes were compared', () => {
  expect(compared.accepted).toBeGreaterThan(200)
  expect(compared.refused).toBeGreaterThan(1000)
  expect(compared.undecided).toBeGreaterThan(20)
})
