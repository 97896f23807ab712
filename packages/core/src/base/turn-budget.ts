// Not the global function: test tools replace that one, and then the budget would never be renewed.
import { setImmediate } from 'node:timers'

/**
 * How long computations may block one turn of the event loop, in microseconds.
 *
 * - `idle`: while the thread pool does nothing for us. To wake a thread takes longer than most checks, so a lone caller never waits
 *   for one, and one that presents a token after the other rarely does.
 * - `busy`: while it works for us. Of many tokens at once, the event loop then checks a few while the threads check the others.
 */
const BUDGETS = { idle: 4000, busy: 300 }

let spent = 0

function renew(): void {
  spent = 0
}

/**
 * Whether a computation may run in the event loop now. If so, it counts.
 *
 * @param cost how long it takes, in microseconds
 * @param isPoolBusy whether the thread pool works for us
 */
export function mayBlockThisTurn(cost: number, isPoolBusy: boolean): boolean {
  if (spent + cost > (isPoolBusy ? BUDGETS.busy : BUDGETS.idle)) return false
  if (spent === 0) setImmediate(renew)
  spent += cost
  return true
}
