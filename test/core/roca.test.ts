import { checkPrimeSync, generatePrimeSync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { hasRocaStructure, importJwk } from '../../packages/core/src/testing.js'
import { makeKey } from '../support/forge.js'

/** CVE-2017-15361: moduli of the faulty library, made by its rule, and ordinary ones. */

const GENERATOR = 65_537n

function firstPrimes(count: number): bigint[] {
  const primes: bigint[] = []
  for (let n = 2n; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0n)) primes.push(n)
  return primes
}

const product = (factors: readonly bigint[]): bigint => factors.reduce((a, b) => a * b, 1n)
const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b))
const lcm = (a: bigint, b: bigint): bigint => (a / gcd(a, b)) * b

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square] = [1n, base % modulus]
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

const randomBits = (bits: number): bigint =>
  BigInt(`0x${randomBytes(Math.ceil(bits / 8)).toString('hex')}`) >> BigInt((8 - (bits % 8)) % 8)

/**
 * `k·M + (65537^a mod M)` of so many bits, where `M` is the product of the first primes. The library searches until it has
 * a prime; the structure of the modulus does not depend on that, and large primes take a second to find.
 */
function faultyFactor(bits: number, smallPrimes: number): bigint {
  const m = product(firstPrimes(smallPrimes))
  const bitsOfK = bits - m.toString(2).length
  const k = randomBits(bitsOfK) | (1n << BigInt(bitsOfK))
  return k * m + power(GENERATOR, randomBits(64), m)
}

function faultyPrime(bits: number, smallPrimes: number): bigint {
  for (;;) {
    const factor = faultyFactor(bits, smallPrimes)
    if (checkPrimeSync(factor)) return factor
  }
}

function base64url(number: bigint): string {
  const hex = number.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}

describe('J1: RSA keys with the ROCA structure (CVE-2017-15361)', () => {
  // How many small primes the library takes for keys of which size: Nemec et al., table 1.
  it.each([
    [512, 39],
    [1024, 71],
    [2048, 126],
    [4096, 225],
  ])('a modulus of %i bits has it', (bits, smallPrimes) => {
    for (let n = 0; n < 3; n++) {
      const modulus = faultyFactor(bits / 2, smallPrimes) * faultyFactor(bits / 2, smallPrimes)
      expect(hasRocaStructure(modulus)).toBe(true)
    }
  })

  it('such a key of 2048 bits is left out with the reason "roca"', async () => {
    const n = base64url(faultyPrime(1024, 126) * faultyPrime(1024, 126))
    expect(await importJwk({ kty: 'RSA', alg: 'RS256', n, e: 'AQAB' })).toBe('roca')
  })

  it('A: 1,225 moduli of ordinary primes, and keys of this machine, do not have it', async () => {
    const primes = Array.from({ length: 50 }, () => generatePrimeSync(512, { bigint: true }))
    const moduli = primes.flatMap((p, index) => primes.slice(index + 1).map((q) => p * q))
    expect(moduli).toHaveLength(1225)
    expect(moduli.filter(hasRocaStructure)).toEqual([])
    expect(await importJwk(makeKey('RS256').jwk)).toMatchObject({ kid: 'key-RS256' })
  })

  it('by chance, fewer than one modulus in 2^154 has it', () => {
    const primes = firstPrimes(39)
    // The group of all moduli that small primes do not divide, and the part of it that 65537 generates.
    const group = product(primes.map((prime) => prime - 1n))
    const orders = primes.map((prime) => {
      let order = 1n
      while (power(GENERATOR, order, prime) !== 1n % prime) order++
      return order
    })
    const generated = orders.reduce(lcm, 1n)
    expect((group / generated).toString(2).length - 1).toBeGreaterThanOrEqual(154)
  })

  it('A: a modulus that is a power of 65537 modulo each small prime, with different exponents, does not have it', () => {
    const primes = firstPrimes(39)
    const m = product(primes)
    // The Chinese remainder theorem; one exponent is odd, the others are even.
    const modulus = primes.reduce((sum, prime, index) => {
      const rest = m / prime
      const inverse = power(rest, prime - 2n, prime)
      return (
        (sum + power(GENERATOR, index === 38 ? 7n : 6n, prime) * rest * (prime === 2n ? 1n : inverse)) % m
      )
    }, 0n)
    for (const prime of primes) expect(power(modulus, 1n, prime)).toBeGreaterThan(0n)
    expect(hasRocaStructure(modulus)).toBe(false)
  })
})
