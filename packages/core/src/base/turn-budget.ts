// Not the global function: test tools replace that one, and then the budget would never be renewed.
import { setImmediate } from 'node:timers'

/**
 * How long computations may block the event loop, in microseconds.
 *
 * - `turn`: in one turn of the event loop, while the thread pool does nothing for us. To wake a thread takes longer than most
 *   checks, so one caller after the other is rarely sent to one.
 * - `busyTurn`: the same, while the thread pool works for us.
 * - `run`: before other microtasks get their turn. What is asked for within one run is wanted at once: the event loop then checks a few
 *   tokens while the threads check the others.
 */
const BUDGETS = { turn: 4000, busyTurn: 300, run: 300 }

const spent = { inTurn: 0, inRun: 0 }

function renewTurn(): void {
  spent.inTurn = 0
}

async function renewRun(): Promise<void> {
  await undefined
  spent.inRun = 0
}

/**
 * Whether a computation may run in the event loop now. If so, it counts.
 *
 * @param cost how long it takes, in microseconds
 * @param isPoolBusy whether the thread pool works for us
 */
export function mayBlockThisTurn(cost: number, isPoolBusy: boolean): boolean {
  if (spent.inTurn + cost > (isPoolBusy ? BUDGETS.busyTurn : BUDGETS.turn)) return false
  if (spent.inRun + cost > BUDGETS.run) return false
  if (spent.inTurn === 0) setImmediate(renewTurn)
  if (spent.inRun === 0) void renewRun()
  spent.inTurn += cost
  spent.inRun += cost
  return true
}
