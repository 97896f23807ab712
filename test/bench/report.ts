/** What one row has, in the order of the columns. */
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** The median of several rounds, with the lowest and the highest of them. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
  /**
   * How far the median of another run may be away, as a share of this one: half the distance from the second lowest round to the second
   * highest. Infinite for fewer than five rounds.
   */
  readonly uncertainty: number
}

/** A part of the chart: bars of one unit, the shorter the better. */
export interface Panel {
  readonly title: string
  readonly unit: string
  readonly bars: readonly { readonly label: string; readonly value: number; readonly ours: boolean }[]
}

/** What a section has found. */
export interface Report {
  readonly title: string
  readonly notes: readonly string[]
  readonly tables: readonly Table[]
  /** What `wanted.ts` asks for, by its names. */
  readonly reached: Readonly<Record<string, Spread>>
  readonly panels: readonly Panel[]
}

export function renderReport({ title, notes, tables }: Report): string {
  const heading = `## ${title}\n`
  return [heading, ...notes.map((note) => `${note}\n`), ...tables.map(renderTable)].join('\n')
}

export function renderTable({ title, columns, rows }: Table): string {
  const lines = [columns, columns.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
  return `### ${title}\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

/** Three significant digits, and thousands apart. */
export function digits(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 })
}

/** The median, with the lowest and the highest behind it. */
export function spread({ median, lowest, highest }: Spread, unit = 1): string {
  const [middle = '', from = '', to = ''] = [median, lowest, highest].map((value) => digits(value / unit))
  return from === to ? middle : `${middle} (${from}–${to})`
}
