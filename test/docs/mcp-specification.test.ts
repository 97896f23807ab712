import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT, read } from './markdown.js'

/** The table of MCP authorization names a test for each requirement: it exists. */

const DOCUMENT = 'packages/core/docs/mcp-specification.md'

/** The files and titles that a cell names: `file`: title; `file`, `file`. */
function testsIn(cell: string): { file: string; title: string }[] {
  return [...cell.matchAll(/`([a-z-]+\/[a-z-]+)`(?:: ([^;.]*))?/g)].map(([, file = '', title = '']) => ({
    file,
    title: title.trim(),
  }))
}

it('every test that the table names exists', async () => {
  const rows = (await read(DOCUMENT)).split('\n').filter((line) => line.startsWith('| '))
  const named = rows.flatMap((row) => testsIn(row.replace(/ \|$/, '').split(' | ').at(-1) ?? ''))
  expect(named.length).toBeGreaterThan(30)
  for (const { file, title } of named) {
    const path = join(ROOT, 'test', `${file}.test.ts`)
    expect(existsSync(path), file).toBe(true)
    expect(await readFile(path, 'utf8'), `${file}: ${title}`).toContain(title)
  }
})

it('every requirement has a row with a test, or says why not', async () => {
  const rows = (await read(DOCUMENT)).split('\n').filter((line) => /^\| ["`]/.test(line))
  expect(rows.length).toBeGreaterThan(30)
  for (const row of rows) expect(row, row).toMatch(/`[a-z-]+\/[a-z-]+`|not done: |as above: /)
})
