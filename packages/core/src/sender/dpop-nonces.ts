import { createHmac, timingSafeEqual } from 'node:crypto'
import { normalizedUrl } from '../request/base-url.js'

/** How long one nonce is handed out, in seconds. It is accepted for as long again. */
const SLOT_SECONDS = 120
/** How far the clock of another machine may be ahead, whose nonces are accepted here. */
const CLOCK_MARGIN_SECONDS = 10

/** What a nonce is good for: `'outgoing'` ones are still accepted, and the client should change to the current one. */
export type NonceState = 'current' | 'outgoing' | 'refused'

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
    return this.#nonceOf(this.#secrets[0], slotOf(now))
  }

  /** Nonces of the present slot and of the one before are accepted, and those of a machine whose clock is a little ahead. */
  check(nonce: string, now: number): NonceState {
    const slot = slotOf(now)
    if (!Number.isFinite(slot)) return 'refused'
    // Text with text: decoded, several spellings would be one nonce.
    const given = Buffer.from(nonce)
    const isOf = (secret: string, each: number) => {
      const expected = Buffer.from(this.#nonceOf(secret, each))
      return given.length === expected.length && timingSafeEqual(given, expected)
    }
    const ahead = slotOf(now + CLOCK_MARGIN_SECONDS)
    for (const secret of this.#secrets) {
      // A secret that no longer signs will leave the list.
      const state = secret === this.#secrets[0] ? 'current' : 'outgoing'
      if (isOf(secret, slot) || (ahead !== slot && isOf(secret, ahead))) return state
      if (isOf(secret, slot - 1)) return 'outgoing'
    }
    return 'refused'
  }

  #nonceOf(secret: string, slot: number): string {
    return createHmac('sha256', secret).update(`DPoP-Nonce ${slot} ${this.#baseUrl}`).digest('base64url')
  }
}

function slotOf(now: number): number {
  return Math.floor(now / SLOT_SECONDS)
}
