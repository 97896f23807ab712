import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { ForgedIssuer, goodToken, makeKey, makeVerifier } from '../support/forge.js'

/** Nothing that prints or copies an `Auth` gives its token away; who asks for the token gets it. */

const key = makeKey('ES256', 'a')
const token = goodToken(key)
const auth = await makeVerifier(new ForgedIssuer(key)).verify(token)

function printed(write: (console: Console) => void): string {
  const chunks: string[] = []
  const stdout = new Writable({
    write(chunk, _, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  write(new Console({ stdout, stderr: stdout }))
  return chunks.join('')
}

const options = [true, false].flatMap((showHidden) =>
  [true, false, 'get', 'set'].flatMap((getters) =>
    [true, false].map((customInspect) => ({ showHidden, getters, customInspect })),
  ),
)

describe('an Auth that is printed', () => {
  it.each(options)('util.inspect with %j', (each) => {
    for (const value of [auth, { auth }, [auth], new Map([[auth, auth]])]) {
      const shown = Reflect.apply(inspect, undefined, [value, { ...each, depth: 9, maxStringLength: null }])
      expect(shown).toContain('user-1')
      for (const part of token.split('.')) expect(shown).not.toContain(part)
    }
  })

  it.each<[string, () => string]>([
    ['JSON', () => JSON.stringify(auth)],
    ['JSON of a copy', () => JSON.stringify({ ...auth })],
    ['%o', () => format('%o', auth)],
    ['%O', () => format('%O', auth)],
    ['%j', () => format('%j', auth)],
    ['console.log', () => printed((console) => console.log(auth))],
    [
      'console.dir',
      () => printed((console) => console.dir(auth, { getters: true, showHidden: true, depth: 9 })),
    ],
    ['console.table', () => printed((console) => console.table(auth))],
    [
      'property descriptors',
      () => inspect(Object.getOwnPropertyDescriptors(auth), { getters: true, depth: 9 }),
    ],
    ['symbols', () => inspect(Object.getOwnPropertySymbols(auth))],
  ])('%s', (_, print) => {
    const shown = print()
    for (const part of token.split('.')) expect(shown).not.toContain(part)
  })

  it('a copy has no token', () => {
    // What can be called cannot be cloned, and an Auth itself has no such member.
    expect(inspect(structuredClone(auth), { showHidden: true, getters: true })).not.toContain(token)
    expect(serialize(auth).toString('latin1')).not.toContain(token)
    expect(Object.keys(auth)).not.toContain('token')
    expect(Object.assign({}, auth)).not.toHaveProperty('token')
  })

  it('the positive control: it is there for who asks for it', () => {
    expect(auth.token).toBe(token)
    const { token: taken } = auth
    expect(taken).toBe(token)
    expect('token' in auth).toBe(true)
    expect(Reflect.set(Object.getPrototypeOf(auth), 'token', 'x')).toBe(false)
    expect(Object.isFrozen(auth)).toBe(true)
  })
})
