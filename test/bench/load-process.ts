import { createHistogram } from 'node:perf_hooks'
import autocannon from 'autocannon'
import { answerQuestions } from './helper-process.js'
import type { Call } from './server.js'

const CONNECTIONS = 50

/** What is sent to a server. */
export interface Order {
  readonly url: string
  readonly tokens: 'one' | 'thousand' | 'new'
  /** A fixed number: CPU time per request is then comparable between servers. */
  readonly requests: number
  /** What each request is, where it is not a `GET`. */
  readonly call?: Call
}

/** What came back. */
export interface Load {
  /** From the first answer to the last. */
  readonly tookMs: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

type Supply = Readonly<Record<Order['tokens'], readonly string[]>>

let supply: Supply = { one: [], thousand: [], new: [] }

answerQuestions(async (question) => {
  const asked: Order | { supply: Supply } = JSON.parse(question)
  if ('url' in asked) return load(asked)
  supply = asked.supply
  return {}
})

async function load({ url, tokens: kind, requests: amount, call }: Order): Promise<Load> {
  const tokens = supply[kind]
  let connected = 0
  const options = {
    url,
    connections: CONNECTIONS,
    amount,
    // How often it looks whether all is done. By default, it waits for the next whole second.
    sampleInt: 20,
    setupClient: (client: autocannon.Client) => {
      client.setRequests(share(tokens, connected++, call))
    },
  }
  // In microseconds: autocannon's own latencies are whole milliseconds.
  const times = createHistogram()
  let [requests, bad, first, last] = [0, 0, 0, 0]
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(options, (error, done) => (error ? reject(error) : resolve(done)))
    instance.on('response', (_client, status, _bytes, timeMs) => {
      last = performance.now()
      first ||= last
      requests++
      if (status !== 200) bad++
      times.record(Math.max(1, Math.round(timeMs * 1000)))
    })
  })
  const failed = bad + result.errors + result.timeouts + result.mismatches
  if (failed > 0) throw new Error(`${failed} requests of ${requests} were not answered with 200`)
  if (requests !== amount) throw new Error(`${requests} of ${amount} requests were sent`)
  return {
    tookMs: last - first,
    requestsPerSecond: ((requests - 1) / (last - first)) * 1000,
    p50Ms: times.percentile(50) / 1000,
    p99Ms: times.percentile(99) / 1000,
  }
}

/** The tokens of one connection: each connection has others, where there are enough. */
function share(tokens: readonly string[], connection: number, call: Call | undefined): autocannon.Request[] {
  const own = tokens.filter((_, index) => index % CONNECTIONS === connection % CONNECTIONS)
  const sent = own.length > 0 ? own : tokens
  return sent.map((token) => ({ ...call, headers: { ...call?.headers, authorization: `Bearer ${token}` } }))
}
