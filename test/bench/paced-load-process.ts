import { createHistogram } from 'node:perf_hooks'
import { answerQuestions } from './helper-process.js'
import { RawConnection } from './raw-connection.js'
import { TokenPool } from './token-pool.js'

/** Requests at a fixed rate, without waiting for earlier ones. */
export interface PacedOrder {
  readonly perSecond: number
  readonly seconds: number
  readonly connections: number
  /** When all must have been answered, after the last one was due. If they were not, the rate was not kept. */
  readonly timeoutSeconds: number
  /** The statuses of right answers. */
  readonly statuses: readonly number[]
  readonly tokens: 'good' | 'bad'
}

/** What is sent at the same time. */
export interface PacedOrders {
  readonly url: string
  readonly loads: readonly PacedOrder[]
}

export interface PacedLoad {
  readonly p50Ms: number
  readonly p99Ms: number
}

type Supply = Readonly<Record<PacedOrder['tokens'], string[]>>

let pools = { good: new TokenPool([]), bad: new TokenPool([]) }

answerQuestions(async (question) => {
  const asked: PacedOrders | Supply = JSON.parse(question)
  if ('url' in asked) return Promise.all(asked.loads.map((order) => load(asked.url, order)))
  pools = { good: new TokenPool(asked.good), bad: new TokenPool(asked.bad) }
  return {}
})

/** Not with autocannon, which sends what is due in a second at its beginning, in one burst. */
async function load(url: string, order: PacedOrder): Promise<PacedLoad> {
  let reject: (error: Error) => void = () => undefined
  const failed = new Promise<never>((_resolve, fail) => {
    reject = fail
  })
  const opening = Array.from({ length: order.connections }, () => RawConnection.open(url, reject))
  const connections = await Promise.all(opening)
  try {
    return await Promise.race([send(order, connections), failed])
  } finally {
    for (const connection of connections) connection.close()
  }
}

async function send(order: PacedOrder, connections: readonly RawConnection[]): Promise<PacedLoad> {
  const { perSecond, seconds, timeoutSeconds, statuses } = order
  const total = perSecond * seconds
  const times = createHistogram()
  const idle = [...connections]
  // Requests that are due wait for a connection, and that is part of their time.
  const waiting: number[] = []
  let [due, answered] = [0, 0]
  const started = performance.now()
  let timer: NodeJS.Timeout | undefined
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      const from = waiting[0]
      const connection = from === undefined ? undefined : idle.pop()
      if (from === undefined || !connection) return
      waiting.shift()
      connection.ask(pools[order.tokens].next(), (status) => {
        if (!statuses.includes(status))
          return reject(new Error(`An answer was ${status} in place of ${statuses.join(' or ')}`))
        times.record(Math.max(1, Math.round((performance.now() - from) * 1000)))
        idle.push(connection)
        if (++answered === total) resolve()
        else next()
      })
    }
    timer = setInterval(() => {
      const elapsed = (performance.now() - started) / 1000
      for (; due < Math.min(total, elapsed * perSecond); due++) {
        waiting.push(performance.now())
        next()
      }
      if (elapsed > seconds + timeoutSeconds)
        reject(new Error(`${perSecond} requests a second are more than can be sent or answered`))
    }, 1)
  }).finally(() => clearInterval(timer))
  return { p50Ms: times.percentile(50) / 1000, p99Ms: times.percentile(99) / 1000 }
}
