/**
 * A program that presents 20,000 opaque tokens at once to a verifier whose introspection endpoint is silent, and tells its
 * parent what that took. Argument: where the compiled core is.
 */
const [core] = process.argv.slice(2)
const { createVerifier } = await import(`${core}/index.js`)

const TOKENS = 20_000
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
// A test that has given up no longer listens.
process.on('disconnect', () => process.exit(1))
async function collect() {
  for (let round = 0; round < 4; round++) {
    globalThis.gc()
    await turn()
  }
}
const inMiB = (bytes) => Math.round((bytes / 1024 / 1024) * 10) / 10

const usedBy = ({ heapUsed, external }) => heapUsed + external

/** Presents the tokens, so many in each turn of the event loop, until all but those in flight are refused. */
async function present(tokens, perTurn, expected) {
  let refused = 0
  const onRefused = ({ code, status, retryAfterSeconds }) => {
    if (code === expected && (status === 401 || (status === 503 && retryAfterSeconds === 1))) refused++
  }
  await collect()
  const before = process.memoryUsage()
  let [peakHeap, peakRss] = [usedBy(before), before.rss]
  const started = performance.now()
  for (let next = 0; next < tokens.length || refused < tokens.length - inFlight; next += perTurn) {
    if (performance.now() - started > 60_000) throw new Error(`Only ${refused} were refused as expected`)
    for (const token of tokens.slice(next, next + perTurn)) verifier.verify(token).catch(onRefused)
    await turn()
    const now = process.memoryUsage()
    peakHeap = Math.max(peakHeap, usedBy(now))
    peakRss = Math.max(peakRss, now.rss)
  }
  const tookMs = Math.round(performance.now() - started)
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
