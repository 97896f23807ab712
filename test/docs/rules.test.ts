import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cases } from '../adapters/contract/cases.js'
import { ROOT, read } from './markdown.js'

const RULE = /\b[BCDIJOPST]\d{1,2}\b/g
const ATTACKS = /\battacks? (\d+(?:(?:–|-|, | and |, and )\d+)*)/g

/** The rules and attacks that the title of a test names: `J5`, `attack 42`, `attacks 35–38 and 40`. */
function citedIn(title: string): string[] {
  const attacks = Array.from(title.matchAll(ATTACKS), ([, list = '']) => list.split(/, and |, | and /))
  const numbers = attacks.flat().flatMap((part) => {
    const [first = 0, last = first] = part.split(/[–-]/).map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
  return [...(title.match(RULE) ?? []), ...numbers.map((number) => `attack ${number}`)]
}

/** The titles in a test file: the first arguments of `it()`, `describe()`, `test()`, and of what their `each()` returns. */
function titlesIn(source: string): string[] {
  const titles = source.matchAll(
    /(?:\b(?:it|test|describe)(?:\.\w+)*\(|\)\()\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/gs,
  )
  return Array.from(titles, ([, , title = '']) => title)
}

async function titles(): Promise<string[]> {
  const folders = ['adapters', 'core', 'interop', 'mcp', 'mock-issuer', 'packaging', 'redis']
  const files = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(ROOT, 'test', folder), { recursive: true }))
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => join('test', folder, name)),
    ),
  )
  const sources = await Promise.all(files.flat().map(read))
  // The titles of the contract are made of its cases.
  return [...sources.flatMap(titlesIn), ...cases.map(({ rules }) => rules.join(', '))]
}

async function documented(): Promise<string[]> {
  const rules = (await read('packages/core/docs/conformance.md')).matchAll(/^- \*\*([A-Z]\d+)\*\* /gm)
  const attacks = (await read('packages/core/docs/attacks.md')).matchAll(/^(\d+)\. /gm)
  return [
    ...Array.from(rules, ([, id = '']) => id),
    ...Array.from(attacks, ([, number = '']) => `attack ${number}`),
  ]
}

const cited = new Set((await titles()).flatMap(citedIn))
const known = await documented()

describe('rules and attacks', () => {
  it('each has an id of its own, and the attacks are numbered without a gap', () => {
    expect(known.filter((id, index) => known.indexOf(id) !== index)).toEqual([])
    const attacks = known.filter((id) => id.startsWith('attack'))
    expect(attacks).toEqual(attacks.map((_, index) => `attack ${index + 1}`))
  })

  it('each that the title of a test cites is documented', () => {
    expect([...cited].filter((id) => !known.includes(id))).toEqual([])
  })

  it('each that is documented is cited by the title of a test', () => {
    expect(known.filter((id) => !cited.has(id))).toEqual([])
  })
})

describe('citedIn', () => {
  it.each([
    ['J5, J6: times', ['J5', 'J6']],
    ['attack 42: never sent', ['attack 42']],
    ['attacks 35–37, 40 and 41', ['attack 35', 'attack 36', 'attack 37', 'attack 40', 'attack 41']],
    ['attack 45, I6: %j', ['I6', 'attack 45']],
    ['ES256, S256 and P-256 are no rules', []],
  ])('%s', (title, ids) => {
    expect(citedIn(title)).toEqual(ids)
  })
})
