import { channels, createVerifier } from '@telnyx-auth/core'
import { telnyxAuth } from '@telnyx-auth/express'
import { telnyxAuth as fastifyAuth } from '@telnyx-auth/fastify'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { read } from './markdown.js'

/** A name that no option has, and that is like none. */
const UNKNOWN = 'qqqqqqqqqqqqqqqqqqqqqqqq'
/** Options, or members of one, with an unknown name. */
const WITH_UNKNOWN: object = { [UNKNOWN]: 1 }
const CREDENTIALS = { clientId: 'client-1', clientSecret: 'secret' }

/** An option, or a member of one, as options.md describes it. */
interface Documented {
  readonly option: string
  readonly member: string | undefined
  /** The smallest and the largest value, where it is a number. */
  readonly range: readonly [number, number] | undefined
}

function rangeIn(text: string): readonly [number, number] | undefined {
  const [, min = '', max = ''] = /([\d ]+) to ([\d ]+)/.exec(text) ?? []
  const [least, most] = [min, max].map((digits) => Number(digits.replaceAll(' ', '')))
  return max === '' || least === undefined || most === undefined ? undefined : [least, most]
}

async function documentedIn(file: string): Promise<Documented[]> {
  const sections = (await read(`packages/core/docs/${file}`)).split(/^### `(\w+)`$/m).slice(1)
  return sections.flatMap((option, index) => {
    if (index % 2 === 1) return []
    const [text = ''] = sections[index + 1]?.split(/^#{2,3} /m) ?? []
    const range = rangeIn(/^- Range: (.+)$/m.exec(text)?.[1] ?? '')
    const rows = text.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)
    const members = Array.from(rows, ([, member, cells = '']) => ({
      option,
      member,
      range: rangeIn(cells.split(' | ')[1] ?? ''),
    }))
    return [{ option, member: undefined, range }, ...members]
  })
}

/** The names that an error about an unknown name lists. */
async function namesListedBy(create: () => unknown, ...others: string[]): Promise<string[]> {
  const message = await Promise.resolve()
    .then(create)
    .then(
      () => '',
      (error: unknown) => String(error),
    )
  const names = Array.from(message.matchAll(/"(\w+)"/g), ([, name = '']) => name)
  return names.filter((name) => ![UNKNOWN, ...others].includes(name)).sort()
}

/** The members of an option. */
function memberNames(option: string): Promise<string[]> {
  return namesListedBy(() => createVerifier({ audience: 'urn:api', [option]: WITH_UNKNOWN }), option)
}

/** Options with one set, and what else it needs. */
function withOption({ option, member }: Documented, value: unknown): object {
  const needed = option === 'introspection' ? CREDENTIALS : option === 'dpop' ? { mode: 'optional' } : {}
  return {
    audience: 'https://api.example.com',
    [option]: member === undefined ? value : { ...needed, [member]: value },
  }
}

const documented = await documentedIn('options.md')
const withRange = documented.flatMap((each): [string, Documented][] =>
  each.range ? [[each.member ?? each.option, each]] : [],
)
const membersOf = (option: string) =>
  documented.flatMap((each) => (each.option === option && each.member ? [each.member] : [])).sort()

describe('options.md describes', () => {
  it('every option, and no other', async () => {
    const app = fastify()
    const names = new Set([
      ...(await namesListedBy(() => telnyxAuth(WITH_UNKNOWN))),
      ...(await namesListedBy(async () => app.register(fastifyAuth, WITH_UNKNOWN))),
    ])
    const options = documented.filter(({ member }) => member === undefined).map(({ option }) => option)
    expect(options.sort()).toEqual([...names].sort())
  })

  it.each(['claimNames', 'introspection', 'keys', 'cache', 'dpop'])('every member of %s', async (option) => {
    expect(membersOf(option)).toEqual(await memberNames(option))
  })

  it.each(withRange)('the range of %s', (_, each) => {
    const [min = 0, max = 0] = each.range ?? []
    for (const value of [min, max]) expect(() => createVerifier(withOption(each, value))).not.toThrow()
    for (const value of [min - 1, max + 1])
      expect(() => createVerifier(withOption(each, value))).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
      )
  })

  it('the ranges of these', () => {
    expect(withRange.map(([name]) => name)).toEqual([
      ...['clockToleranceSeconds', 'maxTokenBytes', 'cacheSeconds', 'inactiveCacheSeconds', 'maxInFlight'],
      ...['lifetimeSeconds', 'maxStaleSeconds', 'cooldownSeconds', 'proofAgeSeconds', 'maxEntries'],
      'maxAgeSeconds',
      ...['timeoutMs', 'maxResponseBytes', 'retries'],
    ])
  })
})

describe('other documents describe', () => {
  it('every member of a policy', async () => {
    const verifier = createVerifier({ audience: 'urn:api' })
    const names = await namesListedBy(() => verifier.verify('x', WITH_UNKNOWN))
    const text = await read('packages/core/docs/policies-and-challenges.md')
    const rows = Array.from(text.matchAll(/^\| `(\w+)` \| /gm), ([, name = '']) => name)
    expect(rows.sort()).toEqual(names)
  })

  it('every member of protectedResource', async () => {
    const names = await memberNames('protectedResource')
    const text = await read('packages/core/docs/protected-resource-and-mcp.md')
    const rows = Array.from(text.matchAll(/^\| `(\w+)` \| /gm), ([, name = '']) => name)
    expect(rows.sort()).toEqual(names)
  })

  it('every event and its channel', async () => {
    const text = await read('packages/core/docs/observability.md')
    const rows = text.matchAll(/^\| `(\w+)` \| `(telnyx-auth:[\w:]+)` \|/gm)
    expect(Object.fromEntries(Array.from(rows, ([, name, channel]) => [name, channel]))).toEqual(channels)
  })
})
