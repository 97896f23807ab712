import { generateKeyPairSync } from 'node:crypto'
import * as core from '@telnyx-auth/core'
import * as mockIssuer from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import { CHECKS, hints, responseParts } from '../../packages/core/src/testing.js'
import { codeOf } from '../support/outcome.js'
import { read, snippetsIn } from './markdown.js'

/** What the document says of a code. */
interface Documented {
  readonly className: string
  readonly status: number
  readonly error: string | undefined
  readonly description: string | undefined
  readonly text: string
}

const document = await read('packages/core/docs/errors.md')

function documentedCodes(): Map<string, Documented> {
  const codes = new Map<string, Documented>()
  for (const part of document.split(/^### /m)) {
    const [, className = '', status, error] = /^(\w+Error): (\d+)(?: `(\w+)`|, no error)$/m.exec(part) ?? []
    for (const text of part.split(/^#### /m).slice(1)) {
      const [code = ''] = text.split('\n', 1)
      const description = /^> (.+)$/m.exec(text)?.[1]
      codes.set(code, { className, status: Number(status), error, description, text })
    }
  }
  return codes
}

function reasonsIn(text: string): string[] {
  const [, list = ''] = /^- Reasons: (.*?)(?:\n\n|\n?$(?![\s\S]))/ms.exec(text) ?? []
  return Array.from(list.matchAll(/`([\w-]+)`/g), ([, reason = '']) => reason)
}

/** The first lines of each example: their imports are given to it. */
const [, codesPart = ''] = document.split(/^## Codes$/m)
const beginning = snippetsIn(codesPart)[0]?.code.replace(/^import .*\n/gm, '') ?? ''
const IMPORTS = { ...core, ...mockIssuer, generateKeyPairSync }

const AsyncFunction: new (...parts: string[]) => (...values: unknown[]) => Promise<unknown> =
  Object.getPrototypeOf(async () => undefined).constructor

async function run(example: string): Promise<unknown> {
  return new AsyncFunction(...Object.keys(IMPORTS), beginning + example)(...Object.values(IMPORTS))
}

const codes = documentedCodes()

describe('the codes in errors.md', () => {
  it('are those of the source', () => {
    expect([...codes.keys()].sort()).toEqual(Object.keys(responseParts).sort())
  })

  it.each(Object.entries(responseParts))('%s: status, error and sentence', (code, answer) => {
    expect(codes.get(code)).toMatchObject(answer)
    expect(core).toHaveProperty(codes.get(code)?.className ?? '')
  })

  it.each([...codes])('%s has a cause, something to do, and reasons that exist', (_, { text }) => {
    expect(text).toMatch(/^- Cause: [a-z`]/m)
    expect(text).toMatch(/^- What to do: [a-z`]/m)
    expect(reasonsIn(text).filter((reason) => !Object.hasOwn(hints, reason))).toEqual([])
  })
})

describe('the example in errors.md', () => {
  it.each([...codes])('of %s fails with it', async (code, { text }) => {
    const [example, ...more] = snippetsIn(text).map(({ code }) => code)
    expect(more).toEqual([])
    expect(await codeOf(run(example ?? ''))).toBe(code)
  })

  it('begins with lines that are no mistake', async () => {
    await run('return verifier.verify(await issuer.issueToken())')
  })
})

describe('the reasons in errors.md', () => {
  it('are those of the source, with their hints', () => {
    const [, table = ''] = document.split(/^## Reasons$/m)
    const rows = table.matchAll(/^\| `([\w-]+)` \| (.+) \|$/gm)
    const documented = Array.from(rows, ([, reason, hint = '']) => [reason, hint.replaceAll('\\<', '<')])
    expect(documented).toEqual(Object.entries(hints))
  })

  it('each belongs to a code', () => {
    const named = new Set([...codes.values()].flatMap(({ text }) => reasonsIn(text)))
    expect(Object.keys(hints).filter((reason) => !named.has(reason))).toEqual([])
  })
})

it('the checks in errors.md are those of the source, in their order', () => {
  const rows = document.matchAll(/^\| `([\w-]+)` \| ([A-Z]\d+) \| .+ \|$/gm)
  expect(Array.from(rows, ([, id, rule]) => [id, rule])).toEqual(CHECKS.map(({ id, rule }) => [id, rule]))
})
