import { createHmac, timingSafeEqual } from 'node:crypto'
import { normalizedUrl } from '../request/base-url.js'

/** How long one nonce is handed out, in seconds. It is accepted for as long again. */
const SLOT_SECONDS = 120

/**
 * Nonces that an API hands out, so that no proof can be made in advance (RFC 9449 §9). Nothing is stored: a nonce is an HMAC over
 * a slot of time. Machines with the same secrets accept each other's nonces.
 */
export class DpopNonces {
  readonly #secrets: readonly [string, ...string[]]
  readonly #baseUrl: string

  /**
   * @param secrets the first one signs, all are accepted
   * @param baseUrl one API does not accept the nonces of another one that has the same secrets
   */
  constructor(secrets: readonly [string, ...string[]], baseUrl: string) {
    this.#secrets = secrets
    // Machines may spell it differently.
    this.#baseUrl = normalizedUrl(baseUrl) ?? baseUrl
  }

  /**
   * The nonce to use now.
   *
   * @param now seconds since the epoch
   */
  current(now: number): string {
    return this.#nonceOf(this.#secrets[0], slotOf(now)).toString('base64url')
  }

  /** Whether a nonce is of the present slot or of the one before. */
  isValid(nonce: string, now: number): boolean {
    const slot = slotOf(now)
    if (!Number.isFinite(slot)) return false
    const given = Buffer.from(nonce, 'base64url')
    return this.#secrets.some((secret) =>
      [slot, slot - 1].some((each) => {
        const expected = this.#nonceOf(secret, each)
        return given.length === expected.length && timingSafeEqual(given, expected)
      }),
    )
  }

  #nonceOf(secret: string, slot: number): Buffer {
    return createHmac('sha256', secret).update(`DPoP-Nonce ${slot} ${this.#baseUrl}`).digest()
  }
}

function slotOf(now: number): number {
  return Math.floor(now / SLOT_SECONDS)
}
