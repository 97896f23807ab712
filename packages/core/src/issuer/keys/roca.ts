/** The fingerprint of keys made by a faulty library of Infineon (CVE-2017-15361, "ROCA"): their factors can be computed. */

/** The generator of the primes of that library. */
const GENERATOR = 65_537

/** The primes whose product divides the modulus `M` of every key size that is affected. */
const PRIMES: readonly number[] = [
  2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
  107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]

/** Every exponent of the generator, by the power that it gives modulo one prime. */
interface Logarithms {
  readonly prime: bigint
  readonly order: number
  readonly exponents: ReadonlyMap<number, number>
}

const LOGARITHMS: readonly Logarithms[] = PRIMES.map((prime) => {
  const exponents = new Map<number, number>()
  for (let power = 1 % prime; !exponents.has(power); power = (power * GENERATOR) % prime)
    exponents.set(power, exponents.size)
  return { prime: BigInt(prime), order: exponents.size, exponents }
})

/**
 * Whether a modulus has the structure of these keys. Each of their primes is `k·M + (65537^a mod M)`, so the modulus is a
 * power of 65537 modulo `M`, and with one and the same exponent modulo every prime that divides `M` (Nemec et al., ACM
 * CCS 2017, §2.3). Of all moduli, fewer than one in 2^154 is such a power by chance.
 */
export function hasRocaStructure(modulus: bigint): boolean {
  const found: { exponent: number; order: number }[] = []
  for (const { prime, order, exponents } of LOGARITHMS) {
    const exponent = exponents.get(Number(modulus % prime))
    if (exponent === undefined) return false
    // Congruences have a common solution when each two of them agree modulo what their moduli have in common.
    const agrees = found.every((other) => (exponent - other.exponent) % gcd(order, other.order) === 0)
    if (!agrees) return false
    found.push({ exponent, order })
  }
  return true
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
