import type { ErrorCode } from '@telnyx-auth/core'
import { describe, expect, it } from 'vitest'
import { checkCharacters, extractBearerToken } from '../../packages/core/src/testing.js'
import { thrownBy } from '../support/outcome.js'

const LIMIT = 100
const extract = (authorization: string) => {
  const token = extractBearerToken({ headers: { authorization } }, LIMIT)
  if (token !== undefined) checkCharacters(token)
  return token
}

describe('the Authorization header', () => {
  it.each<[string, string | undefined]>([
    ['Bearer a.b-c_d~e+f/g==', 'a.b-c_d~e+f/g=='],
    ['bEARER   abc', 'abc'],
    [`Bearer ${'a'.repeat(LIMIT)}`, 'a'.repeat(LIMIT)],
    // RFC 9110 §5.5: white space around a value is no part of it.
    ['Bearer a ', 'a'],
    [' \t Bearer a \t', 'a'],
    [` ${' '.repeat(LIMIT)}Bearer ${'a'.repeat(LIMIT)} `, 'a'.repeat(LIMIT)],
    [' \t', undefined],
    [' Basic YTpi ', undefined],
    ['', undefined],
    ['Basic YTpi', undefined],
    ['Bearer-Token abc', undefined],
    ['Bearerabc', undefined],
    ['Digest username="x", realm="y"', undefined],
    ['Digest username="x, bearer y", realm="a, bearer z"', undefined],
    ['Digest username="x\\", bearer y", realm="z"', undefined],
    ['Digest realm=y, bearerish=1, bearer-token=2', undefined],
  ])('B1, B5: %j carries %j', (authorization, token) => {
    expect(extract(authorization)).toBe(token)
  })

  it.each<[string, ErrorCode]>([
    ['Bearer', 'ERR_REQUEST_MALFORMED'],
    ['Bearer ', 'ERR_REQUEST_MALFORMED'],
    ['Bearer =', 'ERR_REQUEST_MALFORMED'],
    ['Bearer a=b', 'ERR_REQUEST_MALFORMED'],
    ['Bearer a b', 'ERR_REQUEST_MALFORMED'],
    ['Bearer\ta', 'ERR_REQUEST_MALFORMED'],
    [' Bearer ', 'ERR_REQUEST_MALFORMED'],
    ['Bearer:a', 'ERR_REQUEST_MALFORMED'],
    ['Bearer/a', 'ERR_REQUEST_MALFORMED'],
    ['Bearer=', 'ERR_REQUEST_MALFORMED'],
    ['Bearer a, Bearer b', 'ERR_TOKEN_REPEATED'],
    ['Bearer a,b', 'ERR_TOKEN_REPEATED'],
    ['Basic YTpi, Bearer a', 'ERR_TOKEN_REPEATED'],
    ['Basic YTpi,bearer a', 'ERR_TOKEN_REPEATED'],
    ['Basic YTpi,\tBearer a', 'ERR_TOKEN_REPEATED'],
    ['Digest username="x", realm="y", Bearer a', 'ERR_TOKEN_REPEATED'],
    [`Bearer ${'a'.repeat(LIMIT + 1)}`, 'ERR_TOKEN_TOO_LARGE'],
    [`Bearer ${'%'.repeat(LIMIT + 1)}`, 'ERR_TOKEN_TOO_LARGE'],
    [`Bearer ${','.repeat(LIMIT + 1)}`, 'ERR_TOKEN_TOO_LARGE'],
  ])('B1, B3: %j is refused: %s', (authorization, code) => {
    expect(thrownBy(() => extract(authorization))).toMatchObject({ code })
  })

  it.each(['"\\', '\\"', '"', '", ', ', '])(
    'attack 5: 200,000 characters of %j take linear time',
    (piece) => {
      // With quadratic time, 20 seconds: the runner's own limit is the bound.
      for (const end of ['', '"', '\\'])
        expect(extract(`Basic ,"${piece.repeat(200_000 / piece.length)}${end}`)).toBeUndefined()
    },
  )

  it('no headers at all carry nothing', () => {
    expect(Reflect.apply(extractBearerToken, undefined, [{ headers: null }, LIMIT])).toBeUndefined()
  })

  it.each([
    [{ headers: { Authorization: 'Bearer a' } }],
    [{ headers: { AUTHORIZATION: ['Bearer a'] } }],
    [{ headers: new Headers({ authorization: 'Bearer a' }) }],
    // What a middleware has written there is what counts; what came only tells how often.
    [{ headers: { authorization: 'Bearer a' }, rawHeaders: ['Cookie', 'token=a'] }],
    [
      {
        headers: { authorization: 'Bearer a' },
        rawHeaders: ['x-authorization', 'authorization', 'Authorization', 'Bearer a'],
      },
    ],
    [{ headers: { authorization: 'Bearer a' }, headersDistinct: { authorization: ['Bearer a'] } }],
  ])('is found in %j', (request) => {
    expect(extractBearerToken(request, LIMIT)).toBe('a')
  })

  it.each([
    [{ headers: { authorization: 'Bearer a', Authorization: 'Bearer a' } }],
    [{ headers: { authorization: ['Bearer a', 'Bearer b'] } }],
    [
      {
        headers: { authorization: 'Bearer a' },
        rawHeaders: ['Authorization', 'Bearer a', 'authorization', 'Basic b'],
      },
    ],
    [
      {
        headers: { authorization: 'Bearer a' },
        headersDistinct: { authorization: ['Bearer a', 'Bearer b'] },
      },
    ],
    [
      {
        headers: new Headers([
          ['authorization', 'Bearer a'],
          ['authorization', 'Bearer b'],
        ]),
      },
    ],
  ])('B3: may not come twice: %j', (request) => {
    expect(thrownBy(() => extractBearerToken(request, LIMIT))).toMatchObject({ code: 'ERR_TOKEN_REPEATED' })
  })
})
