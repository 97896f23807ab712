import { describe, expect, it } from 'vitest'
import { active, inactive, text } from '../support/answers.js'
import { AUDIENCE, rejectionOf } from '../support/forge.js'
import { createIntrospectionWorld, signedToken, unknownKeyToken } from '../support/introspection-world.js'

/** I6, attack 45: introspection responses are checked against allow-lists. */

/** The outcome for an opaque token, and for one that is verified here, with this response. */
async function outcomesOf(answer: ReturnType<typeof active>, profile: 'telnyx' | 'rfc9068' = 'telnyx') {
  const world = await createIntrospectionWorld({ cacheSeconds: 30, inactiveCacheSeconds: 30 }, { profile })
  world.answer = answer
  const outcomes = new Set<string>()
  // The second time, the response is in the cache.
  for (let n = 0; n < 2; n++) {
    outcomes.add(await world.outcome('opaque'))
    outcomes.add(await world.outcome(unknown))
    outcomes.add(await world.outcome(signed))
  }
  expect(world.asked).toEqual(['opaque', unknown, signed])
  return [...outcomes]
}

const signed = signedToken()
const unknown = unknownKeyToken()
const GOOD = ['introspection', 'both']

describe('I6: the kind of the token', () => {
  // What real servers send for access tokens.
  const accepted: [string, object][] = [
    ['nothing', {}],
    ['Keycloak', { typ: 'Bearer', token_type: 'Bearer', azp: 'client', acr: '1' }],
    ['Okta, Spring, ZITADEL, ForgeRock', { token_type: 'Bearer' }],
    ['Gluu, WSO2, Curity', { token_type: 'bearer', purpose: 'access_token' }],
    ['IdentityServer, Salesforce', { token_type: 'access_token' }],
    ['ORY Hydra, Authelia', { token_use: 'access_token', token_type: 'Bearer' }],
    ['Amazon Cognito', { token_use: 'access' }],
    ['OpenIddict', { token_type: 'Bearer', token_usage: 'access_token' }],
    ['RFC 8693 §3', { token_type: 'urn:ietf:params:oauth:token-type:access_token' }],
    ['J2: at+jwt', { typ: 'at+jwt' }],
    ['J2: application/at+jwt', { typ: 'application/AT+JWT' }],
  ]
  it.each(accepted)('A: as %s', async (_, members) => {
    expect(await outcomesOf(active(members))).toEqual(GOOD)
    expect(await outcomesOf(active({ ...members, aud: AUDIENCE }), 'rfc9068')).toEqual(GOOD)
  })

  const refused: [string, unknown][] = [
    ...['token_type', 'token_use', 'token_usage'].flatMap((member): [string, unknown][] =>
      [
        ...[
          'pop',
          'PoP',
          'mac',
          'N_A',
          'refresh_token',
          'Refresh',
          'refresh',
          'offline',
          'id_token',
          'id',
          'ID',
        ],
        ...['urn:ietf:params:oauth:token-type:refresh_token', 'urn:ietf:params:oauth:token-type:id_token'],
        ...['urn:ietf:params:oauth:token-type:jwt', 'device_secret', 'Bearer ', ' bearer', 'bearer,pop', ''],
        ...[['DPoP'], ['Bearer'], [], {}, { Bearer: true }, null, 0, 1, true, false],
      ].map((value) => [member, value]),
    ),
    ...[
      ...[
        'rt+jwt',
        'logout+jwt',
        'dpop+jwt',
        'token-introspection+jwt',
        'secevent+jwt',
        'application/rt+jwt',
      ],
      ...['Refresh', 'Offline', 'ID', 'Logout', 'JWE', 'at+jwt;', '', 'application/'],
      ...[['at+jwt'], ['Bearer'], {}, null, 0, true],
    ].map((value): [string, unknown] => ['typ', value]),
  ]
  it.each(refused)('attack 45: R, %s %j', async (member, value) => {
    const said = active({ [member]: value })
    expect(await outcomesOf(said)).toEqual(['ERR_TYP_INVALID'])
    expect(await outcomesOf(active({ [member]: value, aud: AUDIENCE }), 'rfc9068')).toEqual([
      'ERR_TYP_INVALID',
    ])
  })

  it('J2: the default profile accepts typ JWT, the strict one does not', async () => {
    for (const typ of ['JWT', 'application/jwt']) {
      expect(await outcomesOf(active({ typ }))).toEqual(GOOD)
      expect(await outcomesOf(active({ typ, aud: AUDIENCE }), 'rfc9068')).toEqual(['ERR_TYP_INVALID'])
    }
  })

  it.each(['token_type', 'token_use', 'token_usage', 'typ'])(
    'J10: %s DPoP is bound to a key',
    async (member) => {
      for (const value of ['DPoP', 'dpop', 'DPOP'])
        expect(await outcomesOf(active({ [member]: value }))).toEqual(['ERR_TOKEN_BOUND'])
    },
  )

  it('one good name does not outweigh a bad one', async () => {
    expect(await outcomesOf(active({ token_type: 'Bearer', token_use: 'refresh_token' }))).toEqual([
      'ERR_TYP_INVALID',
    ])
    expect(await outcomesOf(active({ token_type: 'Bearer', typ: 'Refresh' }))).toEqual(['ERR_TYP_INVALID'])
  })

  it('the error names the claim and a reason', async () => {
    const world = await createIntrospectionWorld()
    world.answer = active({ token_type: 'mac' })
    const error = await rejectionOf(world.verifier.verify('opaque'))
    expect(error).toMatchObject({ claim: 'token_type', reason: 'typ-not-access-token' })
  })
})

describe('I6: repeated members', () => {
  it.each([
    '{"active":false,"active":true}',
    '{"active":true,"active":false}',
    '{"active":true,"active":true}',
    '{"active":false,"\\u0061ctive":true}',
    '{"active":true,"scope":"a","scope":"admin"}',
    '{"active":true,"sub":"a","s\\u0075b":"b"}',
    '{"active":true,"exp":4000000000,"exp":1}',
    '{"active":true,"token_type":"pop","token_type":"Bearer"}',
    '{"active":true,"own":{"a":1,"a":2}}',
    '{"active":true,"own":[{"a":1,"a":2}]}',
    '{"active":true,"__proto__":1,"__proto__":2}',
    '{"active":false,"active":false}',
  ])('attack 45: R, %s', async (body) => {
    expect(await outcomesOf(text(body))).toEqual(['ERR_CLAIM_INVALID'])
  })

  it('A: colons, quotes and equal names in different objects are no repetition', async () => {
    const body =
      '{"active":true,"a":"b\\":\\"c:","own":{"active":1,"own":{"active":2}},"list":[{"a":1},{"a":2}]}'
    expect(await outcomesOf(text(body))).toEqual(GOOD)
  })

  it('RFC 8259 §8.1: a byte order mark before the answer is ignored', async () => {
    expect(await outcomesOf(text('\uFEFF{"active":true}'))).toEqual(GOOD)
    expect(await outcomesOf(text('\uFEFF{"active":false,"active":true}'))).toEqual(['ERR_CLAIM_INVALID'])
  })

  it('they are a response about the token: no failure of the endpoint, and operators see a reason', async () => {
    const world = await createIntrospectionWorld()
    world.answer = text('{"active":false,"active":true}')
    for (let n = 0; n < 10; n++) expect(await world.outcome(`opaque-${n}`)).toBe('ERR_CLAIM_INVALID')
    expect(world.asked).toHaveLength(10)
    expect(await rejectionOf(world.verifier.verify('opaque'))).toMatchObject({
      status: 401,
      reason: 'introspection-repeated-member',
    })
  })
})

describe('attack 46: a polluted Object.prototype', () => {
  it.each([
    ['active', true, inactive, ['ERR_TOKEN_INACTIVE']],
    ['active', true, text('{}'), ['ERR_TOKEN_INACTIVE']],
    ['token_type', 'mac', active(), GOOD],
    ['typ', 'rt+jwt', active(), GOOD],
    ['sub', 'another', active(), GOOD],
  ] as const)('says nothing in the place of the answer: %s', async (name, value, answer, expected) => {
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true })
    try {
      const world = await createIntrospectionWorld()
      world.answer = answer
      const outcomes = new Set([await world.outcome('opaque'), await world.outcome(signed)])
      expect([...outcomes]).toEqual(expected)
    } finally {
      Reflect.deleteProperty(Object.prototype, name)
    }
  })
})

describe('I6: a response about another token', () => {
  const identity = { sub: 'user-1', client_id: 'client-1', jti: 'jti-own' }
  const token = signedToken(identity)

  it.each(['sub', 'client_id', 'jti'])('attack 45: R, another %s than the signed one', async (claim) => {
    const world = await createIntrospectionWorld()
    for (const value of ['another', '', `${claim} `]) {
      world.answer = active({ ...identity, [claim]: value })
      const error = await rejectionOf(world.verifier.verify(token))
      expect(error).toMatchObject({
        status: 401,
        code: 'ERR_CLAIM_INVALID',
        claim,
        reason: 'introspection-contradicts',
      })
    }
    // Without signed claims, there is nothing to contradict.
    expect(await world.outcome('opaque')).toBe('introspection')
    expect(await world.outcome(unknownKeyToken(identity))).toBe('introspection')
  })

  it('A: the same, or what only one of the two says', async () => {
    const world = await createIntrospectionWorld()
    for (const said of [identity, {}, { sub: 'user-1' }, { ...identity, username: 'u', scope: 'less' }]) {
      world.answer = active(said)
      expect(await world.outcome(token)).toBe('both')
    }
    world.answer = active(identity)
    expect(await world.outcome(signedToken({ sub: undefined, client_id: undefined, jti: undefined }))).toBe(
      'both',
    )
  })

  it('also from the cache, where the other lane has cached a response about the same token', async () => {
    const world = await createIntrospectionWorld({ cacheSeconds: 3600 })
    const { jwks } = world.documents
    world.clock.advance(25 * 3600)
    world.documents.publish()
    const late = signedToken({ iat: world.clock.now(), exp: world.clock.now() + 3600 })
    world.answer = active({ sub: 'another' })
    expect(await world.outcome(late)).toBe('introspection')
    world.documents.jwks = jwks
    world.clock.advance(300)
    expect(await world.outcome(late)).toBe('ERR_CLAIM_INVALID')
    expect(world.asked).toHaveLength(1)
  })
})

it('I2: the last response about a token counts for both lanes', async () => {
  const world = await createIntrospectionWorld({ cacheSeconds: 3600, inactiveCacheSeconds: 10 })
  const { jwks } = world.documents
  world.documents.publish()
  world.clock.advance(25 * 3600)
  const token = signedToken({ iat: world.clock.now(), exp: world.clock.now() + 3600 })
  let answerFirst: (response: Response) => void = () => undefined
  world.answer = () =>
    new Promise((resolve) => {
      answerFirst = resolve
    })
  const undecided = world.outcome(token)
  await expect.poll(() => world.asked.length).toBe(1)
  world.documents.jwks = jwks
  world.clock.advance(60)
  world.answer = inactive
  expect(await world.outcome(token)).toBe('ERR_TOKEN_INACTIVE')
  answerFirst(Response.json({ active: true }))
  expect(await undecided).toBe('introspection')
  // The late response does not replace the refusal.
  expect(await world.outcome(token)).toBe('ERR_TOKEN_INACTIVE')
})
