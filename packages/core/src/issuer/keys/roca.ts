/** Recognises RSA keys of a faulty Infineon library (CVE-2017-15361, "ROCA"), whose factors can be computed. */

/** The library makes all its primes from powers of this number. */
const GENERATOR = 65_537

/** Their product divides the library's modulus `M` for every affected key size. */
const PRIMES: readonly number[] = [
  2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
  107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]

/** The discrete logarithms modulo one prime: the exponent for each power of the generator. */
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
 * Whether an RSA modulus has the structure of these keys. Their primes are `k·M + (65537^a mod M)`, so the modulus is a power of
 * 65537 modulo `M`, with the same exponent modulo every prime that divides `M` (Nemec et al., ACM CCS 2017, §2.3). Fewer
 * than one modulus in 2^154 is such a power by chance.
 */
export function hasRocaStructure(modulus: bigint): boolean {
  const found: { exponent: number; order: number }[] = []
  for (const { prime, order, exponents } of LOGARITHMS) {
    const exponent = exponents.get(Number(modulus % prime))
    if (exponent === undefined) return false
    // Congruences have a common solution if each pair agrees modulo the greatest common divisor of its moduli.
    const agrees = found.every((other) => (exponent - other.exponent) % gcd(order, other.order) === 0)
    if (!agrees) return false
    found.push({ exponent, order })
  }
  return true
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
