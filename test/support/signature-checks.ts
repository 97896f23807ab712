import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { onTestFinished, vi } from 'vitest'

type Operation = (...given: unknown[]) => unknown

/** Replaces `verify` of `node:crypto`, with which core verifies signatures, until the test is over. */
export function replaceVerify(replace: (original: Operation) => Operation): void {
  const operation = crypto.verify
  const set = (value: unknown) => {
    Reflect.set(crypto, 'verify', value)
    syncBuiltinESMExports()
  }
  onTestFinished(() => set(operation))
  set(replace((...given) => Reflect.apply(operation, crypto, given)))
}

/** A mock that is called for each signature of a token that is checked. */
export function countSignatureChecks() {
  const checked = vi.fn<() => void>()
  replaceVerify((original) => (...given) => {
    const [, signingInput] = given
    // When a key is imported, it verifies one signature of nothing.
    if (signingInput instanceof Uint8Array && signingInput.length > 0) checked()
    return original(...given)
  })
  return checked
}
