import { describe, expect, it } from 'vitest'
import { forge, goodClaims, goodHeader, goodToken, makeKey, NOW, rejectionOf } from '../support/forge.js'
import { createService } from '../support/token-cache.js'

/** J5 and attack 25: a time after the year 9999 is a far future, and no invalid claim; one that is no number here is. */

const key = makeKey('Ed25519', 'a')
const FAR: readonly number[] = [
  253_402_300_799,
  253_402_300_800,
  NOW * 1000,
  1e12,
  1e15,
  8_640_000_000_001,
  Number.MAX_SAFE_INTEGER,
]
/** The claim as it is written in the token. */
const written = (name: string, number: string) =>
  forge(
    goodHeader(key),
    `${JSON.stringify(goodClaims({ [name]: undefined })).slice(0, -1)},"${name}":${number}}`,
    key,
  )
const BEYOND: readonly string[] = [
  '9007199254740993',
  '9223372036854775807',
  '1e16',
  '1e308',
  '1e999',
  '-1e999',
]

describe('exp in a far future', () => {
  it.each(FAR)('%d: accepted, new and known, for as long as the cache keeps it', async (exp) => {
    const service = createService(key)
    const token = goodToken(key, { exp })
    expect(await service.fate(token)).toBe('checked')
    expect(await service.fate(token)).toBe('known')
    expect((await service.verifier.verify(token)).expiresAt).toBe(exp)
    service.clock.advance(200)
    expect(await service.fate(token)).toBe('known')
    // The age limit of the cache is what ends the entry.
    service.clock.advance(401)
    expect(await service.fate(token)).toBe('checked')
    service.clock.advanceWall(1e9)
    expect(await service.fate(token)).toBe('checked')
  })

  it.each(BEYOND)('%s: refused', async (number) => {
    const { verifier } = createService(key)
    const error = await rejectionOf(verifier.verify(written('exp', number)))
    expect(error).toMatchObject({ code: 'ERR_CLAIM_INVALID', claim: 'exp' })
  })
})

describe.each(['nbf', 'iat'])('%s in a far future', (name) => {
  it.each(FAR)('%d: not valid yet', async (value) => {
    const { verifier } = createService(key)
    const error = await rejectionOf(
      verifier.verify(goodToken(key, { exp: Number.MAX_SAFE_INTEGER, [name]: value })),
    )
    expect(error).toMatchObject({ code: 'ERR_TOKEN_NOT_YET_VALID', claim: name })
  })

  it.each(BEYOND)('%s: refused', async (number) => {
    const { verifier } = createService(key)
    expect((await rejectionOf(verifier.verify(written(name, number)))).code).toBe('ERR_CLAIM_INVALID')
  })
})
