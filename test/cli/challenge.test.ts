import { describe, expect, it } from 'vitest'
import { parameterOf, parseChallenges, tokenChallenges } from '../../packages/cli/src/doctor/challenge.js'

/** WWW-Authenticate (RFC 9110 §11.6.1), as APIs and proxies write it. */
describe('challenges', () => {
  const plain = (header: string | null) =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])

  it.each([
    [null, []],
    ['', []],
    ['Bearer', [['bearer', {}]]],
    ['Bearer realm="api", error="invalid_token"', [['bearer', { realm: 'api', error: 'invalid_token' }]]],
    ['bearer ERROR=invalid_token', [['bearer', { error: 'invalid_token' }]]],
    ['Bearer realm = "a, b=c" , scope="x y"', [['bearer', { realm: 'a, b=c', scope: 'x y' }]]],
    ['Bearer realm="a\\"b"', [['bearer', { realm: 'a"b' }]]],
    [
      'Bearer realm="api", DPoP algs="ES256", Basic realm="x"',
      [
        ['bearer', { realm: 'api' }],
        ['dpop', { algs: 'ES256' }],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['error="invalid_token"', []],
    [', ,', []],
  ])('%j', (header, challenges) => {
    expect(plain(header)).toEqual(challenges)
  })

  it('those for access tokens, and the first value of a parameter', () => {
    const challenges = tokenChallenges('Basic error="x", DPoP algs="ES256", Bearer error="invalid_token"')
    expect(challenges.map(({ scheme }) => scheme)).toEqual(['dpop', 'bearer'])
    expect(parameterOf(challenges, 'error')).toBe('invalid_token')
    expect(parameterOf(challenges, 'realm')).toBeUndefined()
  })

  it('a hostile header takes no long time', () => {
    const started = process.cpuUsage()
    for (const part of ['a=', 'a="', '"\\', 'a ', '= ', 'a="\\"']) parseChallenges(part.repeat(100_000))
    expect(process.cpuUsage(started).user).toBeLessThan(1_000_000)
  })
})
