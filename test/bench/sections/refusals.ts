import { createVerifier, type VerifierOptions } from '@telnyx-auth/core'
import { createBadTokens } from '../bad-tokens.js'
import type { Plan } from '../plan.js'
import { type Report, type Spread, spread } from '../report.js'
import { type Figures, interleave, type Target, timed } from '../rounds.js'
import { TokenPool } from '../token-pool.js'
import { AUDIENCE, createKey, ISSUER, type SigningKey, signToken } from '../tokens.js'
import {
  createFast,
  createFloorForTokens,
  createJoseWithSet,
  createJsonwebtoken,
  createOurs,
  FLOOR,
  OURS,
  prove,
  refuses,
  type Verify,
} from '../verifiers.js'

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
  const floor = createFloorForTokens(key)
  const rows: string[][] = []
  const reached: Record<string, Spread> = {}
  for (const [kind, tokens] of kinds) {
    const figures = await measureKind(kind, tokens, verifiers, plan, { good, floor })
    rows.push(rowOf(kind, figures, verifiers))
    reached[`refusals/${kind}`] = figures.ratio(OURS, FLOOR)
  }
  const fetched = new Map([[OURS, createFetching(key)]])
  for (const [name, verify] of fetched) await prove(name, verify, good)
  const kind = 'unknown key, issuer is fetched'
  const unknown = kinds.get('unknown key') ?? []
  rows.push(rowOf(kind, await measureKind(kind, unknown, fetched, plan, { good, floor }), fetched))

  return {
    title: 'Refusals',
    notes: [
      'RS256, with cached keys. Ours and jose select the key by its id. fast-jwt and jsonwebtoken were given one key, and check the signature with it. Beside them stands `crypto.verify` for a good token, which is decoded and not checked otherwise. The issuer that is fetched is a function in the same process. How often it is asked is limited, for all callers together.',
    ],
    tables: [
      {
        title: 'Microseconds for a refused token',
        columns: ['refused for', ...verifiers.keys(), FLOOR, `${OURS} / ${FLOOR}`],
        rows,
      },
    ],
    reached,
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

async function measureKind(
  kind: string,
  tokens: string[],
  verifiers: Map<string, Verify>,
  plan: Plan,
  reference: { readonly good: string; readonly floor: Verify },
): Promise<Figures> {
  const targets: Target[] = []
  for (const [name, verify] of verifiers) {
    if (!(await refuses(verify, tokens[0] ?? ''))) throw new Error(`${name} accepts: ${kind}`)
    const pool = new TokenPool(tokens)
    targets.push(timed(name, () => pool.next(), refusing(verify)))
  }
  const good = new TokenPool([reference.good])
  return interleave([...targets, timed(FLOOR, () => good.next(), reference.floor)], plan)
}

function rowOf(kind: string, figures: Figures, verifiers: Map<string, Verify>): string[] {
  const names = [OURS, 'jose', 'fast-jwt', 'jsonwebtoken']
  const cells = names.map((name) => (verifiers.has(name) ? spread(figures.spread(name), 1000) : ''))
  return [kind, ...cells, spread(figures.spread(FLOOR), 1000), spread(figures.ratio(OURS, FLOOR))]
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
