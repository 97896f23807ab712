import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { renderChart } from './chart.js'
import { HelperProcess } from './helper-process.js'
import { describeMachine } from './machine.js'
import { FULL, type Plan, QUICK } from './plan.js'
import { type Report, renderReport, renderTable } from './report.js'
import { SECTIONS } from './sections.js'
import { judge } from './wanted.js'

const { values } = parseArgs({ options: { quick: { type: 'boolean' }, only: { type: 'string' } } })
const plan = values.quick ? QUICK : FULL
const names = values.only?.split(',') ?? Object.keys(SECTIONS)
const started = performance.now()

const reports: Report[] = []
for (const name of names) {
  const report = await measure(name, plan)
  if (report) reports.push(report)
}

const { table, missing } = judge(Object.assign({}, ...reports.map(({ reached }) => reached)))
console.log(renderTable(table))
if (values.only === undefined && missing.length > 0) {
  console.error(`Not measured: ${missing.join('; ')}`)
  process.exitCode = 1
}
const seconds = Math.round((performance.now() - started) / 1000)
console.log(
  `In all: ${seconds} seconds.${values.quick ? ' Only the figures of the servers were measured often enough to mean something.' : ''}`,
)

// What is not whole does not replace what was.
if (!values.quick && values.only === undefined && process.exitCode === undefined) {
  await writeFile(new URL('../results.md', import.meta.url), renderResults())
  await writeFile(
    new URL('../results.svg', import.meta.url),
    renderChart(reports.flatMap(({ panels }) => panels)),
  )
}

/** In a process of its own, so that no section disturbs the next; `undefined` when it fails. */
async function measure(name: string, plan: Plan): Promise<Report | undefined> {
  console.error(`${name} …`)
  const from = performance.now()
  const helper = HelperProcess.start('section-process.js', [], ['--expose-gc'])
  try {
    const report: Report = JSON.parse(await helper.ask({ section: name, plan }, 900_000))
    console.log(renderReport(report))
    return report
  } catch (error) {
    console.error(error)
    process.exitCode = 1
    return undefined
  } finally {
    await helper.stop()
    console.error(`${name}: ${((performance.now() - from) / 1000).toFixed(1)} s`)
  }
}

function renderResults(): string {
  return [
    '# Benchmarks\n',
    `Written by \`pnpm bench\` in ${seconds} seconds. Compare within one run only: every figure stands beside its peers' from the same rounds. It is the median of the rounds, with the lowest and the highest behind it; a ratio is the median of the ratios of each round.\n`,
    '![Servers, a repeated token and a first check, ours beside the peers](results.svg)\n',
    renderTable(table),
    ...reports.map(renderReport),
    renderTable(describeMachine()),
  ].join('\n')
}
