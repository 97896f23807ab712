import { measure } from 'mitata'
import type { Plan } from './plan.js'
import type { Spread } from './report.js'

/** Something that is measured beside others. */
export interface Target {
  readonly name: string
  /** @returns what it took this time, in nanoseconds for one operation */
  sample(plan: Plan): Promise<number>
}

/**
 * A function, measured by mitata.
 *
 * @param next makes what it is called with, while the clock stands still
 * @param operations how many operations one call is
 */
export function timed<Input>(
  name: string,
  next: () => Input,
  run: (input: Input) => unknown,
  operations = 1,
): Target {
  return {
    name,
    async sample({ sampleMs, batch }) {
      // `params` is how mitata passes computed arguments; its types know it for generators only. Batches are
      // smaller than by default, so that slow functions take no seconds for the least number of samples.
      const options = { params: { 0: next }, min_cpu_time: sampleMs * 1e6, batch_samples: batch }
      // A default, because mitata takes a function that demands arguments for something else.
      const { p50 } = await measure((input: Input = next()) => run(input), options)
      return p50 / operations
    },
  }
}

/** The figures of several targets, round by round. */
export class Figures {
  readonly #figures = new Map<string, number[]>()

  add(name: string, figure: number): void {
    const figures = this.#figures.get(name)
    if (figures) figures.push(figure)
    else this.#figures.set(name, [figure])
  }

  of(name: string): readonly number[] {
    const figures = this.#figures.get(name)
    if (!figures) throw new Error(`${name} was not measured`)
    return figures
  }

  spread(name: string): Spread {
    return spreadOf(this.of(name))
  }

  /** Of the ratios in each round, because what disturbs a round disturbs all that is measured in it. */
  ratio(name: string, other: string): Spread {
    const others = this.of(other)
    return spreadOf(this.of(name).map((figure, round) => figure / (others[round] ?? Number.NaN)))
  }
}

/** Measures all targets in turn, round by round: a disturbance of the machine then affects all of them. */
export async function interleave(targets: readonly Target[], plan: Plan): Promise<Figures> {
  const figures = new Figures()
  // Until everything is compiled; thrown away.
  if (!plan.quick) for (const { sample } of targets) await sample(plan)
  for (let round = 0; round < plan.rounds; round++)
    for (const { name, sample } of rotated(targets, round)) figures.add(name, await sample(plan))
  return figures
}

/** Each round begins with another one, so that none always follows the same one. */
export function rotated<T>(items: readonly T[], round: number): T[] {
  const first = round % items.length
  return [...items.slice(first), ...items.slice(0, first)]
}

export function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b)
  const [lowest, highest] = [sorted[0], sorted.at(-1)]
  if (lowest === undefined || highest === undefined || sorted.some((figure) => !Number.isFinite(figure)))
    throw new Error('Not every round was measured')
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? lowest) + (sorted[Math.ceil(middle)] ?? highest)) / 2
  const [low = lowest, high = highest] = [sorted[1], sorted.at(-2)]
  const uncertainty = sorted.length < 5 ? Number.POSITIVE_INFINITY : (high - low) / 2 / median
  return { median, lowest, highest, uncertainty }
}
