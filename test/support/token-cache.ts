import { watch } from '@telnyx-auth/core'
import { expect } from 'vitest'
import type { Policy, TokenVerifier } from '../../packages/core/src/testing.js'
import { settle } from './event-loop.js'
import { ForgedIssuer, type ForgeKey, makeVerifier, rejectionOf, TestClock } from './forge.js'

/** The outcome of a token: `known` from the cache, `checked` after a signature check, or the code of the refusal. */
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
    /** Lets a refresh in the background happen, which the use of a token starts. */
    async refresh(token: string): Promise<void> {
      clock.advance(241)
      const before = issuer.keyRequests
      await verifier.verify(token)
      await settle()
      expect(issuer.keyRequests).toBe(before + 1)
    },
  }
}
