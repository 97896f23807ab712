/**
 * A program that presents many opaque tokens at once to a verifier whose introspection endpoint is silent, and sends its
 * parent the figures. Arguments: where the compiled core is, and how many tokens.
 */
const [core, count] = process.argv.slice(2)

// Time stands still, so that no request times out, however slow the machine is.
globalThis.setTimeout = () => undefined
performance.now = () => 0
const { createVerifier } = await import(`${core}/index.js`)

const TOKENS = Number(count)
let inFlight = 0
let mostInFlight = 0
let answer
const answered = new Promise((resolve) => {
  answer = resolve
})
const verifier = createVerifier({
  audience: 'https://api.example.com',
  introspectionEndpoint: 'https://api.telnyx.com/v2/oauth/introspect',
  introspection: { when: 'opaque', clientId: 'api', clientSecret: 'secret' },
  fetch: async () => {
    mostInFlight = Math.max(mostInFlight, ++inFlight)
    await answered
    inFlight--
    return Response.json({ active: true })
  },
})

const turn = () => new Promise((resolve) => setImmediate(resolve))
// The test has ended.
process.on('disconnect', () => process.exit(1))
async function collect() {
  for (let round = 0; round < 4; round++) {
    globalThis.gc()
    await turn()
  }
}
const inMiB = (bytes) => Math.round((bytes / 1024 / 1024) * 10) / 10

const usedBy = ({ heapUsed, external }) => heapUsed + external

/** Presents `perTurn` tokens in each turn of the event loop, until all but those in flight are refused. */
async function present(tokens, perTurn, expected) {
  let refused = 0
  const onRefused = ({ code, status, retryAfterSeconds }) => {
    if (code === expected && (status === 401 || (status === 503 && retryAfterSeconds === 1))) refused++
  }
  await collect()
  const before = process.memoryUsage()
  let [peakHeap, peakRss] = [usedBy(before), before.rss]
  const started = process.hrtime.bigint()
  let turnsLeft = 100_000
  for (let next = 0; next < tokens.length || refused < tokens.length - inFlight; next += perTurn) {
    if (turnsLeft-- === 0) throw new Error(`Only ${refused} were refused as expected`)
    for (const token of tokens.slice(next, next + perTurn)) verifier.verify(token).catch(onRefused)
    await turn()
    const now = process.memoryUsage()
    peakHeap = Math.max(peakHeap, usedBy(now))
    peakRss = Math.max(peakRss, now.rss)
  }
  const tookMs = Number((process.hrtime.bigint() - started) / 1_000_000n)
  await collect()
  return {
    refused,
    tookMs,
    heldMiB: inMiB(usedBy(process.memoryUsage()) - usedBy(before)),
    peakHeapMiB: inMiB(peakHeap - usedBy(before)),
    peakRssMiB: inMiB(peakRss - before.rss),
  }
}

const make = (of) => Array.from({ length: TOKENS }, (_, n) => of(n))
const UNAVAILABLE = 'ERR_INTROSPECTION_UNAVAILABLE'
const malformed = make((n) => `a.b.${n}`)
// The first run grows the heap and compiles the code.
await present(malformed, 100, 'ERR_TOKEN_MALFORMED')
const baseline = await present(malformed, TOKENS, 'ERR_TOKEN_MALFORMED')
const atOnce = await present(
  make((n) => `opaque-token-${n}`),
  TOKENS,
  UNAVAILABLE,
)
const arriving = await present(
  make((n) => `another-token-${n}`),
  100,
  UNAVAILABLE,
)
answer()
await turn()
process.send({ mostInFlight, baseline, atOnce, arriving })
