import type * as Core from '@telnyx-auth/core'

/** One check of the verifier. */
export interface TokenCheckResult {
  readonly id: string
  readonly rule: string
  readonly outcome: 'passed' | 'failed' | 'skipped' | 'undecided'
  readonly reason?: string | undefined
  readonly hint?: string | undefined
}

/** What the verifier says about a token, or why it was not asked. */
export type Verdict =
  | {
      readonly outcome: 'accepted' | 'refused' | 'undecided'
      readonly code?: string | undefined
      readonly checks: readonly TokenCheckResult[]
    }
  | { readonly problem: string }

/** The settings of the API under test. */
interface ApiSettings {
  readonly issuer: string
  readonly audience: string
  readonly fetch: typeof globalThis.fetch
}

/** A silent issuer must not make people wait for long. */
const TIMEOUT_MS = 2000

const NOT_INSTALLED =
  'Install @telnyx-auth/core beside the mock issuer, and the checks of the verifier stand here.'

/**
 * What a verifier says about a token. It is a new one for each token, so it knows the current keys. It sends nothing but
 * requests for the metadata and the keys.
 *
 * @param load imports the verifier, an optional peer: the mock issuer works without it
 */
export async function explainToken(
  token: string,
  { issuer, audience, fetch }: ApiSettings,
  load: () => Promise<typeof Core> = () => import('@telnyx-auth/core'),
): Promise<Verdict> {
  if (audience === '') return { problem: 'Type the audience that your API expects.' }
  const core = await load().catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  })
  if (!core) return { problem: NOT_INSTALLED }
  try {
    const verifier = core.createVerifier({ issuer, audience, fetch, timeoutMs: TIMEOUT_MS, retries: 0 })
    const { outcome, code, checks } = await verifier.explain(token)
    return { outcome, code, checks }
  } catch (error) {
    // An identifier that the verifier does not accept, such as `http` on a host that is not loopback.
    if (error instanceof core.ConfigurationError) return { problem: error.message }
    throw error
  }
}
