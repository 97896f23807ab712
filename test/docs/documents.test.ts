import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { blocksIn, markdownFiles, ROOT, read, snippetsIn } from './markdown.js'

it.each([
  ['README.md', 220],
  ['CONTRIBUTING.md', 90],
])('%s has at most %d lines', async (file, limit) => {
  expect((await read(file)).trimEnd().split('\n').length).toBeLessThanOrEqual(limit)
})

it('a block that names a file is that file, or a part of it, unchanged', async () => {
  const documents = await Promise.all(
    (await markdownFiles()).map(async (document) => [document, blocksIn(await read(document))] as const),
  )
  const named = documents.flatMap(([document, blocks]) =>
    blocks.flatMap((block) => (block.file === undefined ? [] : [{ ...block, document, file: block.file }])),
  )
  expect(named.length).toBeGreaterThan(20)
  for (const { file, isPart, code, document, line } of named) {
    const text = await read(file)
    if (isPart) expect(text, `${document}:${line}`).toContain(code)
    else expect(code, `${document}:${line}`).toBe(text)
  }
})

it('every example is shown in a document', async () => {
  const files = await Promise.all((await markdownFiles()).map(read))
  const shown = new Set(files.flatMap((text) => snippetsIn(text).map(({ example }) => example)))
  const folders = await readdir(join(ROOT, 'examples'))
  const examples = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(ROOT, 'examples', folder))
      // What a demo prints is shown, not its text.
      const programs = names.filter((name) => name.endsWith('.js') && name !== 'demo.js')
      return programs.map((name) => `examples/${folder}/${name}`)
    }),
  )
  expect(examples.flat().filter((example) => !shown.has(example))).toEqual([])
})

it('README shows no program that is not an example', async () => {
  const programs = snippetsIn(await read('README.md')).filter(({ code }) => code.includes('import '))
  const unmarked = programs.filter(({ example }) => example === undefined)
  // The example for Hono comes with its adapter.
  const isPending = (code: string) =>
    code.includes("'@telnyx-auth/hono'") && !existsSync(join(ROOT, 'examples/hono'))
  expect(unmarked.filter(({ code }) => !isPending(code))).toEqual([])
})
