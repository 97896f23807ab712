import { read } from '../docs/markdown.js'

const DOCUMENT = 'packages/core/docs/runtimes.md'

/** What the table says of a part on a runtime. */
export type Cell = 'works' | 'does not work' | 'not tried'

const CELLS: Readonly<Record<string, Cell>> = { yes: 'works', no: 'does not work', '–': 'not tried' }

/** The table whose first column has this header: its header and its rows, each as cells. */
export async function tableOf(first: string): Promise<readonly (readonly string[])[]> {
  const lines = (await read(DOCUMENT)).split('\n')
  const start = lines.findIndex((line) => line.startsWith(`| ${first} |`))
  if (start < 0) throw new Error(`${DOCUMENT} has no table that begins with "${first}"`)
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'))
  const rows = lines.slice(start, end).map((line) => line.split('|').slice(1, -1))
  // The second line only separates.
  return rows.filter((_, index) => index !== 1).map((cells) => cells.map((cell) => cell.trim()))
}

/** What `runtimes.md` says: for each part, by the name of the runtime. A number in a cell leads to a note. */
export async function partsTable(): Promise<ReadonlyMap<string, ReadonlyMap<string, Cell>>> {
  const [[, ...runtimes] = [], ...rows] = await tableOf('part')
  return new Map(
    rows.map(([label = '', ...cells]) => [
      label,
      new Map(
        cells.map((text, index) => {
          const cell = CELLS[text.replace(/ \(\d\)$/, '')]
          if (!cell) throw new Error(`${DOCUMENT}: the cell "${text}" of ${label} is not known`)
          return [runtimes[index] ?? '', cell]
        }),
      ),
    ]),
  )
}
