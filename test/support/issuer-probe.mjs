/**
 * A program that verifies tokens of bad issuers with Node's own `fetch`, tells its parent what came of each, and then has
 * to end by itself. Arguments: where the compiled core is, the origin of `large-bodies.mjs`, and a list of plans as JSON.
 *
 * The time of core is simulated: it stands still until a plan moves it. Only the network is real.
 */
const [core, origin, plans] = process.argv.slice(2)
const { createVerifierAt } = await import(`${core}/testing.js`)

/** The time at which `large-bodies.mjs` issues its tokens, in seconds since the epoch. */
const NOW = 1_800_000_000

let elapsedMs = 0
/** The timers of core that were neither cleared nor fired. */
const timers = new Set()
const realSetTimeout = globalThis.setTimeout
const realClearTimeout = globalThis.clearTimeout
globalThis.setTimeout = (callback, ms = 0, ...values) => {
  // Timers of others, such as those of `fetch`, are real.
  if (!new Error().stack.includes(core)) return realSetTimeout(callback, ms, ...values)
  const timer = { at: elapsedMs + ms, fire: () => callback(...values), ref: () => timer, unref: () => timer }
  timers.add(timer)
  return timer
}
globalThis.clearTimeout = (timer) => {
  if (!timers.delete(timer)) realClearTimeout(timer)
}
performance.now = () => elapsedMs

/** Moves the time to the next timer. */
function passTime() {
  const [next] = [...timers].sort((a, b) => a.at - b.at)
  if (next === undefined) throw new Error('Nothing waits for a timer')
  timers.delete(next)
  elapsedMs = Math.max(elapsedMs, next.at)
  next.fire()
}

const clock = { now: () => NOW, monotonic: () => elapsedMs, random: () => 0 }

function create({ place, timeoutMs, maxResponseBytes }, path, options = {}) {
  return createVerifierAt(clock, {
    issuer: `${origin}/${path}`,
    audience: 'https://api.example.com',
    introspection:
      place === 'introspection' ? { when: 'always', clientId: 'api', clientSecret: 'secret' } : undefined,
    timeoutMs,
    maxResponseBytes,
    ...options,
  })
}

const readText = async (path) => (await fetch(`${origin}/${path}`)).text()
const readJson = async (path) => JSON.parse(await readText(path))

/** What comes of work, and how much of core's time passes meanwhile. */
async function outcomeOf(work) {
  const started = elapsedMs
  return work().then(
    ({ verifiedBy }) => ({ verifiedBy, tookMs: elapsedMs - started }),
    ({ code, status, cause }) => ({
      code,
      status,
      reason: cause?.reason,
      systemCode: cause?.code,
      tookMs: elapsedMs - started,
    }),
  )
}

const used = ({ heapUsed, external }) => heapUsed + external
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Collects garbage until there is no more. */
async function collect() {
  let [before, after] = [Infinity, used(process.memoryUsage())]
  for (let round = 0; round < 3 || (round < 8 && after < before); round++) {
    for (let turns = 0; turns < 4; turns++) await turn()
    globalThis.gc()
    ;[before, after] = [after, used(process.memoryUsage())]
  }
}

/** By how many bytes memory grows: at the peak, the whole process, and heap and buffers with garbage; and what remains. */
async function growthDuring(work) {
  await collect()
  const before = process.memoryUsage()
  let [peak, peakUsed] = [0, 0]
  let samples = 0
  let isOver = false
  const sample = () => {
    const now = process.memoryUsage()
    peak = Math.max(peak, now.rss - before.rss)
    peakUsed = Math.max(peakUsed, used(now) - used(before))
    samples++
    if (!isOver) setImmediate(sample)
  }
  sample()
  await work()
  isOver = true
  await collect()
  return { peak, peakUsed, left: used(process.memoryUsage()) - used(before), samples }
}

/** After this, `fetch`, decompression and verification have loaded what they need. */
async function warmUp(plan, name) {
  for (let round = 0; round < (plan.watchMemory ? 2 : 1); round++) {
    const path = `${plan.place}/none/${name}-${round}`
    await create(plan, path, { maxResponseBytes: undefined }).verify(await readText(`token/${path}`))
    if (plan.watchMemory) await growthDuring(async () => undefined)
  }
}

/** Where only introspection is tested, metadata and keys are given. */
async function givenDocuments({ place }, path) {
  if (place !== 'introspection') return {}
  const metadata = await readJson(`.well-known/oauth-authorization-server/${path}`)
  return { metadata, jwks: await (await fetch(metadata.jwks_uri)).json() }
}

/** Lets time pass once the fault is being served, where the plan waits for a timer. */
async function withTime({ waits }, path, outcome) {
  if (waits) {
    await readText(`served/${path}`)
    passTime()
  }
  return outcome
}

/** The outcome of a token, where the cached keys have the given age, if any. */
async function probe(plan, path) {
  const token = await readText(`token/${path}`)
  const verifier = create(plan, path, plan.ageSeconds === undefined ? await givenDocuments(plan, path) : {})
  if (plan.ageSeconds === undefined)
    return withTime(
      plan,
      path,
      outcomeOf(() => verifier.verify(token)),
    )
  await verifier.preload()
  elapsedMs += plan.ageSeconds * 1000
  const outcome = await withTime(
    plan,
    path,
    outcomeOf(() => verifier.verify(token)),
  )
  const hasFailed = verifier.health().lastFailure !== undefined
  // A refresh in the background goes on until its timeout.
  await readText(`served/${path}`)
  while (timers.size > 0) passTime()
  return { ...outcome, hasFailed }
}

/** No server answers: at `unreachable`, or under a name that does not exist. */
async function probeUnreachable({ unreachable, ...plan }) {
  const noHost = async () => {
    throw new TypeError('fetch failed', {
      cause: Object.assign(new Error('No such host'), { code: 'ENOTFOUND' }),
    })
  }
  const options = unreachable ? { issuer: unreachable } : { issuer: 'https://issuer.example', fetch: noHost }
  return outcomeOf(async () => {
    await create(plan, '', options).preload()
    return { verifiedBy: 'no one' }
  })
}

async function run(plan, index) {
  const name = `${process.pid}-${index}`
  if (plan.place === 'nowhere') return probeUnreachable(plan)
  await warmUp(plan, name)
  const path = `${plan.place}/${plan.fault}/${name}`
  let result = {}
  const work = async () => {
    result = await probe(plan, path)
  }
  if (plan.watchMemory) {
    const growth = await growthDuring(work)
    result = { ...result, growth }
  } else await work()
  const seen = await readJson(`closed/${path}`)
  // What a failed refresh causes may still be under way.
  for (let turns = 0; timers.size > 0 && turns < 100_000; turns++) await turn()
  return { ...result, ...seen, timersLeft: timers.size }
}

const results = []
for (const [index, plan] of JSON.parse(plans).entries()) results.push(await run(plan, index))
process.send(results, () => process.disconnect())
