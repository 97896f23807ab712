import { isTelnyxAuthError, type Policy, type TokenCheck } from '@telnyx-auth/core'
import { expect } from 'vitest'
import type { TokenVerifier } from '../../packages/core/src/testing.js'

const why = ({ code, reason, hint }: { code?: unknown; reason?: unknown; hint?: unknown }) => ({
  code,
  reason,
  hint,
})

/** The check at which the verifier stops. */
export function firstFailure(checks: readonly TokenCheck[]): TokenCheck | undefined {
  return checks.find(({ outcome }) => outcome === 'failed' || outcome === 'undecided')
}

/**
 * Expects that `explain` says of a token what `verify` does, and that the first check that failed says why.
 *
 * @returns the outcome; `undefined` where `verify` throws what is no refusal, and `explain` throws it too
 */
export async function expectSameVerdict(
  verifier: TokenVerifier,
  token: string,
  policy?: Policy,
): Promise<'accepted' | 'refused' | 'undecided' | undefined> {
  const error: unknown = await verifier.verify(token, policy).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const explained = verifier.explain(token, policy, { introspect: true })
  if (error !== undefined && (!isTelnyxAuthError(error) || error.code === 'ERR_CONFIGURATION')) {
    await expect(explained).rejects.toEqual(error)
    return undefined
  }
  const explanation = await explained
  const { outcome, checks } = explanation
  const failure = firstFailure(checks)
  if (error === undefined) {
    expect(explanation).toMatchObject({ outcome: 'accepted' })
    const isAsked = checks.some(({ id, outcome }) => id === 'introspection' && outcome === 'passed')
    // Where the key is not found, the issuer may know the token nevertheless.
    const others = checks.filter(({ id }) => !isAsked || (id !== 'key' && id !== 'signature'))
    expect(others.filter(({ outcome }) => outcome !== 'passed')).toEqual([])
    expect(why(explanation)).toEqual(why({}))
  } else {
    const is = error.status === 503 ? ['undecided', 'undecided'] : ['refused', 'failed']
    expect([outcome, failure?.outcome]).toEqual(is)
    expect(why(explanation)).toEqual(why({ ...error }))
    expect(failure && why(failure)).toEqual(why({ ...error }))
  }
  return outcome
}
