import { watch } from '@telnyx-auth/core'
import { expect } from 'vitest'
import type { Policy, TokenVerifier } from '../../packages/core/src/testing.js'
import { settle } from './event-loop.js'
import { ForgedIssuer, type ForgeKey, makeVerifier, rejectionOf, TestClock } from './forge.js'

/** What becomes of a token: `known` when its signature was checked before, `checked` when it was now, or the code. */
export async function fateOf(
  verifier: Pick<TokenVerifier, 'verify'>,
  token: string,
  policy?: Policy,
): Promise<string> {
  const seen: boolean[] = []
  const end = watch('tokenAccepted', ({ cached }) => seen.push(cached))
  const code = await verifier
    .verify(token, policy)
    .then(() => undefined)
    .catch(async (error: unknown) => (await rejectionOf(Promise.reject(error))).code)
    .finally(end)
  if (code !== undefined) return code
  expect(seen).toHaveLength(1)
  return seen[0] === true ? 'known' : 'checked'
}

/** An issuer, a verifier of its tokens, and a clock for both. */
export function createService(key: ForgeKey, options: Parameters<typeof makeVerifier>[1] = {}) {
  const clock = new TestClock()
  const issuer = new ForgedIssuer(key)
  const verifier = makeVerifier(issuer, options, clock)
  return {
    clock,
    issuer,
    verifier,
    fate: (token: string, policy?: Policy) => fateOf(verifier, token, policy),
    another: (changes: Parameters<typeof makeVerifier>[1]) => makeVerifier(issuer, changes, clock),
    /** Lets a refresh in the background come, which the use of a token begins. */
    async refresh(token: string): Promise<void> {
      clock.advance(241)
      const before = issuer.keyRequests
      await verifier.verify(token)
      await settle()
      expect(issuer.keyRequests).toBe(before + 1)
    },
  }
}
