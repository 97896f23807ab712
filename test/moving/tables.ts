import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ROOT } from '../docs/markdown.js'

/** The pages for users who move here, and the comparison. */
export const DOCUMENTS = 'packages/core/docs'

const RENEW = 'UPDATE_TABLES'

/**
 * Expects that the table below `<!-- measured: name -->` is what was measured. With `UPDATE_TABLES=1`, writes it there.
 *
 * @param file from the root of the repository
 * @param rows the head of the table comes first
 */
export async function expectTable(
  file: string,
  name: string,
  rows: readonly (readonly string[])[],
): Promise<void> {
  const [head = [], ...others] = rows.map((cells) => `| ${cells.join(' | ')} |`)
  const table = [head, `|${' --- |'.repeat(rows[0]?.length ?? 0)}`, ...others].join('\n')
  const path = join(ROOT, file)
  const document = await readFile(path, 'utf8')
  const marker = `<!-- measured: ${name} -->\n`
  const [before = '', after] = document.split(marker)
  if (after === undefined) return expect.fail(`${file} has no table "${name}"`)
  const [documented = ''] = /^(?:\|.*\n)*/.exec(after) ?? []
  if (process.env[RENEW] === '1')
    await writeFile(path, `${before}${marker}${table}\n${after.slice(documented.length)}`)
  else expect(documented.trimEnd(), `${file}: ${RENEW}=1 writes what was measured`).toBe(table)
}

/** The rows of the tables in a section of a document, without heads: the cells of each. */
export function rowsIn(document: string, heading: string): string[][] {
  const [, text = ''] = document.split(new RegExp(`^## ${heading}$`, 'm'))
  const [section = ''] = text.split(/^## /m)
  const tables = section.matchAll(/^\|.*\n\| ?---.*\n((?:\|.*\n)+)/gm)
  return Array.from(tables, ([, rows = '']) => rows.trimEnd().split('\n'))
    .flat()
    .map((row) => row.slice(2, -2).split(' | '))
}
