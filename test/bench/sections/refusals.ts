import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
import { createBadTokens } from '../bad-tokens.js'
import type { Plan } from '../plan.js'
import { type Report, spread } from '../report.js'
import { interleave, type Target, timed } from '../rounds.js'
import { TokenPool } from '../token-pool.js'
import { AUDIENCE, createKey, ISSUER, type SigningKey, signToken } from '../tokens.js'
import {
  createFast,
  createJoseWithSet,
  createJsonwebtoken,
  createOurs,
  prove,
  refuses,
  type Verify,
} from '../verifiers.js'

const OURS = 'ours'

/** Tokens that are not good, and what it costs to say so. */
export async function measureRefusals(plan: Plan): Promise<Report> {
  const key = createKey('RS256')
  const good = signToken(key)
  const verifiers = new Map<string, Verify>([
    [OURS, createOurs(key)],
    ['jose', createJoseWithSet(key)],
    ['fast-jwt', createFast(key, false)],
  ])
  const jsonwebtoken = createJsonwebtoken(key)
  if (jsonwebtoken) verifiers.set('jsonwebtoken', jsonwebtoken)
  for (const [name, verify] of verifiers) await prove(name, verify, good)

  const kinds = createBadTokens(key, plan.quick ? 100 : 500)
  const rows: string[][] = []
  for (const [kind, tokens] of kinds) rows.push(await row(kind, tokens, verifiers, plan))
  const fetched = new Map([[OURS, createFetching(key)]])
  for (const [name, verify] of fetched) await prove(name, verify, good)
  rows.push(await row('unknown key, issuer is fetched', kinds.get('unknown key') ?? [], fetched, plan))

  return {
    title: 'Refusals',
    notes: [
      'RS256, with cached keys. Ours and jose select the key by its id; fast-jwt and jsonwebtoken have been given one key and compute. The issuer that is fetched is a function in the same process: how often it is asked is limited, for all callers together.',
    ],
    tables: [
      { title: 'Microseconds for a refused token', columns: ['refused for', ...verifiers.keys()], rows },
    ],
    reached: {},
    panels: [],
  }
}

/** Ours, as in production: what it knows of its issuer it has fetched. */
function createFetching({ jwk }: SigningKey): Verify {
  const documents: Record<string, unknown> = {
    [`${ISSUER}/.well-known/oauth-authorization-server`]: {
      issuer: ISSUER,
      jwks_uri: `${ISSUER}/jwks`,
      response_types_supported: ['code'],
    },
    [`${ISSUER}/jwks`]: { keys: [jwk] },
  }
  const answer: NonNullable<VerifierOptions['fetch']> = async (url) => {
    return url in documents ? Response.json(documents[url]) : new Response(null, { status: 404 })
  }
  const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch: answer })
  return (token) => verifier.verify(token)
}

async function row(
  kind: string,
  tokens: string[],
  verifiers: Map<string, Verify>,
  plan: Plan,
): Promise<string[]> {
  const targets: Target[] = []
  for (const [name, verify] of verifiers) {
    if (!(await refuses(verify, tokens[0] ?? ''))) throw new Error(`${name} accepts: ${kind}`)
    const pool = new TokenPool(tokens)
    targets.push(timed(name, () => pool.next(), refusing(verify)))
  }
  const figures = await interleave(targets, plan)
  const cells = targets.map(({ name }) => spread(figures.spread(name), 1000))
  return [kind, ...cells, ...Array<string>(4 - cells.length).fill('')]
}

/** Without an await where nothing is waited for. */
function refusing(verify: Verify): (token: string) => unknown {
  return (token) => {
    try {
      const result = verify(token)
      return result instanceof Promise ? result.catch(() => undefined) : result
    } catch {
      return undefined
    }
  }
}
