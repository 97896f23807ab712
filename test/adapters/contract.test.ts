import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { serve, shareServers } from '../support/http.js'
import { harnesses } from './contract/all.js'
import { type Case, cases, RULES } from './contract/cases.js'
import { createSetup } from './contract/setups.js'
import { issueTokens, NOW } from './contract/tokens.js'

/** Headers that say nothing about the answer: the connection's, and those that a framework adds to everything. */
const INDIFFERENT = [
  'connection',
  'date',
  'keep-alive',
  'x-powered-by',
  'content-length',
  'transfer-encoding',
]

let issuer: MockIssuer
let tokens: ReadonlyMap<string, string>
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 })
  issuer = await createMockIssuer({ algorithm: 'ES256', now: () => NOW * 1000 })
  tokens = await issueTokens(issuer)
  return () => void vi.useRealTimers()
})
beforeEach(() => {
  // No pause is longer than it has to be.
  vi.spyOn(Math, 'random').mockReturnValue(0)
})

/** With tokens in the place of their names. */
function fill(text: string): string {
  return text.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const token = tokens.get(name)
    if (token === undefined) throw new Error(`There is no token "${name}"`)
    return token
  })
}

describe.each(harnesses)('the contract on %s', (_, harness) => {
  const sharedServer = shareServers()
  /** What the issuer was asked in the case. */
  let asked: string[] = []
  const fetch: MockIssuer['fetch'] = async (input, init) => {
    asked.push(JSON.stringify([input, init]))
    return issuer.fetch(input, init)
  }

  it.each(cases.map((each): [string, Case] => [`${each.rules.join(', ')}: ${each.what}`, each]))(
    '%s',
    async (_, each) => {
      asked = []
      const { setup = 'default', method = 'GET', path, lines = [], body = '' } = each
      const build = () => harness.build(createSetup(setup, fetch))
      const hasToken = [path, ...lines, body].some((text) => fill(text) !== text)
      // An API that gets a token is a new one: it has to ask the issuer, and its requests are looked at below.
      const { client } = hasToken ? await serve(await build()) : await sharedServer(setup, build)
      const connection = client.open()
      const response = await connection.request(method, fill(path), lines.map(fill), fill(body))
      // Nothing follows the response.
      await connection.close()

      const headers = new Map([...response.headers].filter(([name]) => !INDIFFERENT.includes(name)))
      const expected = new Map(
        Object.entries(each.answer.headers ?? {}).map(([name, value]) => [name, [value]]),
      )
      expect(response.status).toBe(each.answer.status)
      if (each.answer.body !== undefined) expect(response.body).toBe(each.answer.body)
      // A body that is the framework's own, or the application's, has headers that are so too.
      if (each.answer.body === undefined || response.status === 200)
        for (const [name, value] of expected) expect(headers.get(name)).toEqual(value)
      else expect(headers).toEqual(expected)

      // B4, B7, and nothing leaks.
      const challenges = headers.get('www-authenticate') ?? []
      expect(challenges.length).toBe([400, 401, 403].includes(response.status) ? 1 : 0)
      for (const challenge of challenges) {
        expect(challenge).toMatch(
          /^Bearer [a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]+"(, [a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]+")*$/,
        )
        const names = Array.from(challenge.matchAll(/([a-z_]+)="/g), ([, name]) => name)
        expect(new Set(names).size).toBe(names.length)
      }
      const answered = JSON.stringify([...response.headers, response.body])
      const areIn = (text: string) => [...tokens.values()].filter((token) => text.includes(token))
      expect(areIn(answered)).toEqual([])
      // P5: nor is it passed upstream.
      expect(areIn(asked.join())).toEqual([])
    },
  )
})

describe('the rules', () => {
  it('are all proven by a case', () => {
    const proven = new Set(cases.flatMap(({ rules }) => rules))
    expect(RULES.filter((rule) => !proven.has(rule))).toEqual([])
    expect([...proven].filter((rule) => !RULES.includes(rule))).toEqual([])
  })

  it('no case is there twice', () => {
    const titles = cases.map(({ what, setup }) => `${setup}: ${what}`)
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
  })
})
