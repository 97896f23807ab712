import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCommand } from '../../packages/mock-issuer/src/cli/command-line.js'
import { blocksIn, markdownFiles, ROOT, read } from './markdown.js'

/** The lines for a shell in the documents call what exists. Those of the guides are run by `test/packaging`. */

interface Line {
  readonly place: string
  readonly words: readonly string[]
}

const documents = await Promise.all(
  (await markdownFiles()).map(async (document) => [document, await read(document)] as const),
)
const lines: readonly Line[] = documents.flatMap(([document, text]) =>
  blocksIn(text)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ code, line }) =>
      code.split('\n').map((command, index) => ({
        place: `${document}:${line + index}`,
        words: command
          .replace(/\s+#.*$/, '')
          .split(/\s+/)
          .filter((word) => word !== '&&'),
      })),
    ),
)

/** Those that contain a word, and what follows it. */
function after(...names: string[]): [place: string, words: string[]][] {
  return lines.flatMap(({ place, words }) =>
    words.flatMap((word, index) =>
      names.includes(word) ? [[place, words.slice(index + 1)] as [string, string[]]] : [],
    ),
  )
}

/** Commands of pnpm itself, and of packages that the workspace installs. */
const BUILT_IN = ['pack', 'changeset', 'install']

async function scriptsOf(folder: string): Promise<string[]> {
  const { scripts }: { scripts?: object } = JSON.parse(await read(join(folder, 'package.json')))
  return Object.keys(scripts ?? {})
}

describe('pnpm', () => {
  const calls = after('pnpm@12')

  it('is called', () => {
    expect(calls.length).toBeGreaterThan(10)
  })

  it.each(calls)('%s calls a script that exists', async (_, words) => {
    const [folder = '.', script] = words[0] === '--filter' ? words.slice(1) : ['.', words[0]]
    const known = folder.includes('*') ? [] : await scriptsOf(folder)
    expect([...known, ...BUILT_IN]).toContain(script)
  })
})

describe('the mock issuer', () => {
  it.each(after('mock-issuer', '@telnyx-auth/mock-issuer'))('%s has flags that exist', async (_, words) => {
    await expect(
      runCommand([...words.filter((word) => word.startsWith('-') || /^\d+$/.test(word)), '--help']),
    ).resolves.toBeDefined()
  })
})

it('every variable of ours is one that options.md, or the example in the document, reads', async () => {
  const names = lines.flatMap(({ words }) =>
    words.flatMap((word) => /^(TELNYX_AUTH_\w+)=/.exec(word)?.[1] ?? []),
  )
  expect(names.length).toBeGreaterThan(0)
  const options = await read('packages/core/docs/options.md')
  for (const name of names) expect(options).toContain(`\`${name}\``)
})

it('every program of the repository that is called exists', () => {
  const programs = lines.flatMap(({ words }) => words.filter((word) => word.startsWith('.ci/')))
  expect(programs.length).toBeGreaterThan(0)
  expect(programs.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})
