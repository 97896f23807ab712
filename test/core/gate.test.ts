import { InvalidTokenError, watch } from '@telnyx-auth/core'
import { attachAuth, createGuards, type Decision, decideThen, Gate } from '@telnyx-auth/core/adapter'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createIssuerInReach } from '../support/issuer.js'
import { thrownBy } from '../support/outcome.js'

/** What adapters rely on, without a framework. */

const { issuer, bearer, reach } = await createIssuerInReach()

const request = async (scopes: string[]) => ({ headers: await bearer({ scopes }) })

/** Guards that only decide. */
const { requireAuth, requireScopes } = createGuards((authorize) => (carrier: object) => authorize(carrier))

const challengeOf = (decision: Decision) => decision?.headers['WWW-Authenticate']

describe('a gate that defers', () => {
  it('authenticates when a guard asks; of two, the later one', async () => {
    const carrier = {}
    const weak = await request(['a'])
    new Gate(reach()).defer(carrier, weak)
    new Gate({ ...reach(), scopes: ['b'] }).defer(carrier, weak)
    expect(await requireAuth()(carrier)).toMatchObject({ status: 403 })
  })

  it('asks for itself, whatever another gate refused before', async () => {
    const carrier = {}
    const good = await request(['a'])
    const other = new Gate({ ...reach(), audience: 'urn:other' })
    expect(await other.authenticate(carrier, good)).toMatchObject({ status: 401 })
    new Gate(reach()).defer(carrier, good)
    expect(await requireAuth()(carrier)).toBeUndefined()
    expect(Gate.identify(carrier).scopes).toEqual(['a'])
  })
})

it('a guard names what it needs where its route is not known', async () => {
  const carrier = {}
  await new Gate({ ...reach(), optional: true }).authenticate(carrier, { headers: {} })
  expect(challengeOf(await requireScopes('a')(carrier))).toContain('scope="a"')
})

it('a guard tells operators why an anonymous caller has no token', async () => {
  const carrier = {}
  const events: object[] = []
  onTestFinished(watch('tokenRejected', (event) => events.push(event)))
  const proxied = { headers: { 'x-forwarded-for': '192.0.2.1' } }
  await new Gate({ ...reach(), optional: true }).authenticate(carrier, proxied)
  expect(events).toEqual([])
  expect(await requireAuth()(carrier)).toMatchObject({ status: 401 })
  expect(events).toMatchObject([{ code: 'ERR_TOKEN_MISSING', reason: 'authorization-stripped' }])
})

describe('attachAuth', () => {
  it('writes who was admitted, and what others made of it stays', async () => {
    const carrier = {}
    const holder: { auth?: unknown } = {}
    const gate = new Gate(reach())
    const good = await request(['a'])
    await attachAuth(carrier, holder, () => gate.authenticate(carrier, good))
    expect(holder.auth).toMatchObject({ scopes: ['a'] })
    holder.auth = 'mine'
    await attachAuth(carrier, holder, () => requireAuth()(carrier))
    expect(holder.auth).toBe('mine')
  })

  it.each([
    [undefined],
    ['text'],
    [Object.freeze({})],
    [
      {
        set auth(_: unknown) {
          throw undefined
        },
      },
    ],
  ])('what cannot be written decides nothing: %o', async (holder) => {
    const gate = new Gate(reach())
    const good = await request(['a'])
    expect(await attachAuth({}, holder, () => gate.authenticate({}, good))).toBeUndefined()
    const carrier = {}
    const refused = attachAuth(carrier, holder, () => gate.authenticate(carrier, { headers: {} }))
    expect(await refused).toMatchObject({ status: 401 })
  })
})

describe('a gate', () => {
  it.each([{}, { audience: 'urn:other', optional: true }])(
    'says nobody where somebody else has forged it: %j',
    async (options) => {
      const holder: { auth?: unknown } = { auth: 'forged' }
      const carrier = {}
      const gate = new Gate({ ...reach(), optional: true, ...options })
      await attachAuth(carrier, holder, () => gate.authenticate(carrier, { headers: {} }))
      expect(holder).toEqual({ auth: undefined })
      holder.auth = 'forged'
      await attachAuth(carrier, holder, () => gate.authenticate(carrier, { headers: {} }))
      expect(holder).toEqual({ auth: undefined })
    },
  )
})

describe('where somebody has replaced the global Promise', () => {
  // As zone.js does: async functions go on returning the language's own.
  class OtherPromise<T> extends Promise<T> {}

  it('what an adapter decides with a promise of its own is waited for', async () => {
    const next = vi.fn()
    const refusal = { status: 401, headers: {}, body: undefined }
    const decided = OtherPromise.resolve(refusal)
    vi.stubGlobal('Promise', class extends Promise<unknown> {})
    const write = vi.fn()
    decideThen(() => decided, write, next)
    await decided
    expect(write).toHaveBeenCalledWith(refusal)
    expect(next).not.toHaveBeenCalled()
  })
})

describe('who was refused', () => {
  it('is refused again by whoever asks next, and is nobody', async () => {
    const carrier = {}
    const gate = new Gate({ ...reach(), scopes: ['b'] })
    const weak = await request(['a'])
    expect(await gate.authenticate(carrier, weak)).toMatchObject({ status: 403 })
    expect(await requireAuth()(carrier)).toMatchObject({ status: 403 })
    expect(thrownBy(() => Gate.identify(carrier))).toMatchObject({
      code: 'ERR_SCOPE_INSUFFICIENT',
      requiredScopes: ['b'],
    })
  })

  it('is not asked for again: a validate may say something else the second time', async () => {
    const carrier = {}
    let asked = 0
    const gate = new Gate({ ...reach(), validate: () => ++asked > 1 })
    const good = await request(['a'])
    for (let turn = 0; turn < 3; turn++)
      expect(await (turn === 0 ? gate.authenticate(carrier, good) : requireAuth()(carrier))).toMatchObject({
        status: 401,
      })
    expect(asked).toBe(1)
    // Another gate may admit who was refused by the first one.
    expect(await new Gate(reach()).authenticate(carrier, good)).toBeUndefined()
    expect(await requireAuth()(carrier)).toBeUndefined()
  })

  it('as long as the issuer was down is told so again', async () => {
    const carrier = {}
    // No pause is longer than it has to be.
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const gate = new Gate({ ...reach(), fetch: () => Promise.reject(new TypeError('fetch failed')) })
    expect(await gate.authenticate(carrier, await request(['a']))).toMatchObject({ status: 503 })
    expect(await requireAuth()(carrier)).toMatchObject({ status: 503, headers: { 'Retry-After': '5' } })
  })

  it('with an error that throws when it is looked at is refused all the same', async () => {
    class Hostile extends InvalidTokenError {
      protected override get challenge(): never {
        throw undefined
      }
    }
    const gate = new Gate({ ...reach(), validate: () => Promise.reject(new Hostile('ERR_TOKEN_REJECTED')) })
    await expect(gate.authenticate({}, await request([]))).rejects.toBeInstanceOf(Error)
  })
})

it('what a validate throws that is no error becomes the cause of one', async () => {
  const gate = new Gate({ ...reach(), validate: () => Promise.reject('route') })
  const outcome = gate.authenticate({}, await request([]))
  await expect(outcome).rejects.toMatchObject({ cause: 'route' })
  await expect(outcome).rejects.toBeInstanceOf(Error)
})

it('what the issuer calls inactive is nobody for whatever comes after it', async () => {
  const [{ clientId, clientSecret } = {}] = issuer.clients
  const gate = new Gate({ ...reach(), introspection: { clientId, clientSecret, when: 'opaque' } })
  const carrier = {}
  const good = await request(['a'])
  expect(await gate.authenticate(carrier, good)).toBeUndefined()
  expect(await requireAuth({ introspection: 'always' })(carrier)).toBeUndefined()
  expect(Gate.identify(carrier).verifiedBy).toBe('both')

  const later = {}
  const withdrawn = await request(['a'])
  expect(await gate.authenticate(later, withdrawn)).toBeUndefined()
  issuer.revoke(withdrawn.headers.authorization.replace('Bearer ', ''))
  expect(await requireAuth({ introspection: 'always' })(later)).toMatchObject({ status: 401 })
  expect(await requireAuth()(later)).toMatchObject({ status: 401 })
  expect(thrownBy(() => Gate.identify(later))).toMatchObject({ code: 'ERR_TOKEN_INACTIVE' })
})

describe('a guard that asks the issuer', () => {
  /** An issuer that says this of the scopes, and what was asked of the token so far. */
  async function createGate(scope: string, options: object = {}) {
    const [{ clientId, clientSecret } = {}] = issuer.clients
    issuer.fault('introspection', { body: { active: true, scope } })
    onTestFinished(() => issuer.clearFaults())
    const gate = new Gate({
      ...reach(),
      introspection: { clientId, clientSecret, when: 'opaque' },
      ...options,
    })
    const carrier = {}
    const decide = await gate.authenticate(carrier, await request(['a', 'b']))
    expect(decide).toBeUndefined()
    return { gate, carrier }
  }
  const always = requireAuth({ introspection: 'always' })

  it('asks no validate twice, unless scopes were withdrawn', async () => {
    const validate = vi.fn()
    const { carrier } = await createGate('b a', { validate })
    for (let n = 0; n < 10; n++) expect(await always(carrier)).toBeUndefined()
    expect(validate).toHaveBeenCalledTimes(1)
    const { carrier: narrowed } = await createGate('a', { validate })
    for (let n = 0; n < 10; n++) expect(await always(narrowed)).toBeUndefined()
    expect(validate).toHaveBeenCalledTimes(3)
  })

  it('tells what it heard to those after it, also when it refuses', async () => {
    const { carrier } = await createGate('a')
    expect(await requireAuth({ introspection: 'always', scopes: ['b'] })(carrier)).toMatchObject({
      status: 403,
    })
    expect(Gate.identify(carrier).scopes).toEqual(['a'])
    expect(await requireScopes('b')(carrier)).toMatchObject({ status: 403 })
  })

  it('applies the policies of every gate before it', async () => {
    const { carrier } = await createGate('a', { scopes: ['b'] })
    const [{ clientId, clientSecret } = {}] = issuer.clients
    const second = new Gate({ ...reach(), introspection: { clientId, clientSecret, when: 'opaque' } })
    expect(await second.authenticate(carrier, await request(['a', 'b']))).toBeUndefined()
    expect(await always(carrier)).toMatchObject({ status: 403 })
  })

  it('takes a refusal of a validate for what it is, whatever its code', async () => {
    const { carrier } = await createGate('a b')
    const validate = () => Promise.reject(new InvalidTokenError('ERR_TOKEN_INACTIVE'))
    expect(await requireAuth({ validate })(carrier)).toMatchObject({ status: 401 })
    expect(await requireAuth()(carrier)).toBeUndefined()
  })
})
