import { printable } from '../terminal/printable.js'
import type { Colour, Paint } from '../terminal/terminal.js'
import { type Finding, type FindingOutcome, outcomeOf } from './finding.js'

const MARKS: Readonly<Record<FindingOutcome, readonly [mark: string, colour: Colour]>> = {
  good: ['✓', 'green'],
  note: ['!', 'yellow'],
  wrong: ['✗', 'red'],
  undecided: ['?', 'yellow'],
  skipped: ['–', 'grey'],
}

const SUMMARIES = {
  good: 'Nothing is wrong.',
  wrong: 'Something is wrong.',
  undecided: 'It could not be decided: not everything has answered.',
} as const

/** The findings for people. */
export function reportOf(title: string, findings: readonly Finding[], paint: Paint): string {
  const width = Math.max(...findings.map(({ id }) => id.length))
  const lines = findings.flatMap(({ id, outcome, message, repair }) => {
    const [mark, colour] = MARKS[outcome]
    const line = `${paint(colour, mark)} ${id.padEnd(width)}  ${printable(message)}`
    return repair === undefined ? [line] : [line, `${' '.repeat(width + 4)}→ ${printable(repair)}`]
  })
  return `${printable(title)}\n\n${lines.join('\n')}\n\n${SUMMARIES[outcomeOf(findings)]}\n`
}
