import { createGuards, type Decision, findAuth, Gate } from '@telnyx-auth/core/adapter'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, describe, expect, it } from 'vitest'
import { AUDIENCE } from '../support/outcome.js'

/** What adapters rely on, without a framework. */

let issuer: MockIssuer
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
})

const reach = (): { audience: string; fetch: MockIssuer['fetch'] } => ({
  audience: AUDIENCE,
  fetch: issuer.fetch,
})

const request = async (scopes: string[]) => ({
  headers: { authorization: `Bearer ${await issuer.issueToken({ scopes })}` },
})

/** Guards that only decide. */
const { requireAuth, requireScopes } = createGuards((authorize) => (carrier: object) => authorize(carrier))

const challengeOf = (decision: Decision) => decision?.headers['WWW-Authenticate']

describe('a gate that defers', () => {
  it('authenticates when a guard asks; of two, the later one', async () => {
    const carrier = {}
    const weak = await request(['a'])
    new Gate(reach()).defer(carrier, weak)
    new Gate({ ...reach(), scopes: ['b'] }).defer(carrier, weak)
    expect(findAuth(carrier)).toBeNull()
    expect(await requireAuth()(carrier)).toMatchObject({ status: 403 })
  })
})

it('a guard names what it needs where its route is not known', async () => {
  const carrier = {}
  await new Gate({ ...reach(), optional: true }).authenticate(carrier, { headers: {} })
  expect(challengeOf(await requireScopes('a')(carrier))).toContain('scope="a"')
})

it('nobody is who has not been seen', () => {
  expect(findAuth({})).toBeNull()
})

it('what a validate throws that is no error becomes the cause of one', async () => {
  const gate = new Gate({ ...reach(), validate: () => Promise.reject('route') })
  const outcome = gate.authenticate({}, await request([]))
  await expect(outcome).rejects.toMatchObject({ cause: 'route' })
  await expect(outcome).rejects.toBeInstanceOf(Error)
})
