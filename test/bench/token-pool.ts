/**
 * Tokens that are handed out in turn, each time as a new string: one that comes with a request is never the same
 * object as one that came before, and nothing is known of it, not even its hash.
 */
export class TokenPool {
  readonly #bytes: Buffer
  readonly #ends: readonly number[]
  #turn = 0

  constructor(tokens: readonly string[]) {
    this.#bytes = Buffer.from(tokens.join(''), 'latin1')
    let end = 0
    this.#ends = tokens.map(({ length }) => {
      end += length
      return end
    })
  }

  next(): string {
    const turn = this.#turn
    this.#turn = (turn + 1) % this.#ends.length
    return this.#bytes.toString('latin1', this.#ends[turn - 1] ?? 0, this.#ends[turn])
  }

  many(count: number): string[] {
    return Array.from({ length: count }, () => this.next())
  }
}
