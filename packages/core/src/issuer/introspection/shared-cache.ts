import { createCipheriv, createDecipheriv, createHmac, hash, hkdfSync, randomBytes } from 'node:crypto'
import type { Clock } from '../../base/clock.js'
import { wrongKind } from '../../errors/check-options.js'

/**
 * A cache of introspection responses that several machines share, so that one of them asks the issuer, and all know the answer.
 * It gets neither tokens nor claims: a key is a keyed digest of the token, and a value is encrypted and authenticated with a key that
 * needs the token and the client secret. A reader of the store learns neither, and a writer cannot make a token active.
 *
 * @example
 * import type { SharedIntrospectionCache } from '@telnyx-auth/core'
 * import { createIntrospectionCache } from '@telnyx-auth/redis'
 *
 * const cache: SharedIntrospectionCache = createIntrospectionCache({ client })
 */
export interface SharedIntrospectionCache {
  /**
   * @returns the value of a key; `undefined` when there is none
   * @throws anything when the store cannot answer: the issuer is asked then
   */
  get(key: string): Promise<string | undefined>
  /** Keeps a value for so many seconds. What it throws is ignored. */
  set(key: string, value: string, expiresInSeconds: number): Promise<unknown>
}

/** What was sealed: the body of a response, and how old it is. */
export interface SharedResponse {
  readonly body: Uint8Array
  readonly ageMs: number
}

/** Responses that are larger are not shared, and larger values not read. */
const MAX_BODY_BYTES = 8 * 1024
const MAX_VALUE_LENGTH = 16 * 1024

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16
/** The time at which the response came, as a double: seconds since the epoch. */
const TIME_BYTES = 8
/** How far another machine's clock may be ahead. Its answers would last longer by as much. */
const MAX_AHEAD_MS = 5_000

/** Seals responses, for one issuer and one client of it. */
export class SealedCache {
  readonly #store: SharedIntrospectionCache
  readonly #clock: Clock
  readonly #secret: string
  readonly #context: string
  readonly #keyOfNames: Buffer

  /** @param secret the client secret: all machines that share the cache have it, and a stranger does not */
  constructor(store: SharedIntrospectionCache, issuer: string, secret: string, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#secret = secret
    // A digest: HKDF takes at most 1,024 bytes here, and an identifier may be longer.
    this.#context = `telnyx-auth introspection 1 ${hash('sha256', issuer, 'base64url')}`
    this.#keyOfNames = derive(secret, '', `${this.#context} name`)
  }

  /** @returns `undefined` when there is no value that this API has sealed for this token, or the store does not answer */
  async get(token: string): Promise<SharedResponse | undefined> {
    try {
      const name = this.#nameOf(token)
      const value = await this.#store.get(name)
      return typeof value === 'string' ? this.#open(token, name, value) : undefined
    } catch {
      return undefined
    }
  }

  /** Shares a response. Nothing waits for it, and a failure changes nothing. */
  set(token: string, body: Uint8Array, lifetimeMs: number): void {
    if (body.length > MAX_BODY_BYTES || !(lifetimeMs > 0)) return
    const name = this.#nameOf(token)
    const store = async () =>
      this.#store.set(name, this.#seal(token, name, body), Math.ceil(lifetimeMs / 1000))
    store().catch(() => undefined)
  }

  #nameOf(token: string): string {
    return createHmac('sha256', this.#keyOfNames).update(token).digest('base64url')
  }

  #keyOf(token: string): Buffer {
    return derive(token, this.#secret, `${this.#context} value`)
  }

  #seal(token: string, name: string, body: Uint8Array): string {
    const iv = randomBytes(IV_BYTES)
    const time = Buffer.alloc(TIME_BYTES)
    time.writeDoubleBE(this.#clock.now())
    const cipher = createCipheriv(CIPHER, this.#keyOf(token), iv)
    cipher.setAAD(Buffer.from(`${this.#context} ${name}`))
    const sealed = Buffer.concat([cipher.update(time), cipher.update(body), cipher.final()])
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
  }

  /** @throws for a value that was changed, or sealed for another token, issuer or client */
  #open(token: string, name: string, value: string): SharedResponse | undefined {
    if (value.length > MAX_VALUE_LENGTH) return undefined
    const bytes = Buffer.from(value, 'base64url')
    if (bytes.length < IV_BYTES + TAG_BYTES + TIME_BYTES) return undefined
    const decipher = createDecipheriv(CIPHER, this.#keyOf(token), bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(Buffer.from(`${this.#context} ${name}`))
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
    const opened = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()])
    const ageMs = (this.#clock.now() - opened.readDoubleBE()) * 1000
    // Negated, so that a broken clock refuses.
    if (!(ageMs >= -MAX_AHEAD_MS)) return undefined
    return { body: opened.subarray(TIME_BYTES), ageMs: Math.max(0, ageMs) }
  }
}

/** RFC 5869 */
function derive(secret: string, salt: string, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, 32))
}

/**
 * Checks the member `cache` of the option `introspection`.
 *
 * @throws {ConfigurationError}
 */
export function checkSharedCache(value: unknown, name: string): SharedIntrospectionCache | undefined {
  if (value === undefined || isSharedCache(value)) return value
  throw wrongKind(name, 'an object with the methods "get" and "set"', value)
}

function isSharedCache(value: unknown): value is SharedIntrospectionCache {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['get', 'set'].every((name) => typeof Reflect.get(value, name) === 'function')
  )
}
