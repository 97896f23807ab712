/**
 * A program that verifies a token of a bad issuer with Node's own `fetch`, tells its parent what came of it, and is to
 * end by itself. Arguments: where the compiled core is, the origin of `large-bodies.mjs`, and what to do, as JSON.
 */
const [core, origin, plan] = process.argv.slice(2)
const { place, fault, timeoutMs, maxResponseBytes, unreachable, ageSeconds, watchMemory } = JSON.parse(plan)
const { createVerifierAt } = await import(`${core}/verifier.js`)
const { systemClock } = await import(`${core}/clock.js`)

let elapsedSeconds = 0
const clock = { ...systemClock, monotonic: () => performance.now() + elapsedSeconds * 1000 }

function create(path, options = {}) {
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

const tokenOf = async (path) => (await fetch(`${origin}/token/${path}`)).text()

async function outcomeOf(verify) {
  const started = performance.now()
  return verify().then(
    ({ verifiedBy }) => ({ verifiedBy, tookMs: performance.now() - started }),
    ({ code, status, cause }) => ({
      code,
      status,
      reason: cause?.reason,
      systemCode: cause?.code,
      tookMs: performance.now() - started,
    }),
  )
}

/** Takes the garbage away until no more of it is found. */
async function collect() {
  for (let round = 0; round < 4; round++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const used = ({ heapUsed, external }) => heapUsed + external

/** By how much memory grows, in bytes: the whole process at its worst in between, and what is left of it. */
async function growthDuring(work) {
  await collect()
  const before = process.memoryUsage()
  let peak = before.rss
  let samples = 0
  let isOver = false
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
    samples++
    if (!isOver) setImmediate(sample)
  }
  sample()
  await work()
  isOver = true
  await collect()
  return { peak: peak - before.rss, left: used(process.memoryUsage()) - used(before), samples }
}

/** What `fetch`, unpacking and verifying need once, they have then. */
async function warmUp(rounds) {
  for (let round = 0; round < rounds; round++) {
    const path = `${place}/none/${process.pid}-${round}`
    await create(path, { timeoutMs: 60_000 }).verify(await tokenOf(path))
    if (watchMemory) await growthDuring(async () => undefined)
  }
}

/** Where it is introspection that is looked at, no time is to be lost with anything else. */
async function given(path) {
  if (place !== 'introspection') return {}
  const metadata = await (await fetch(`${origin}/.well-known/oauth-authorization-server/${path}`)).json()
  return { metadata, jwks: await (await fetch(metadata.jwks_uri)).json() }
}

/** What becomes of a token; once the keys at hand have the given age, if there is one. */
async function probe(path) {
  const token = await tokenOf(path)
  if (ageSeconds === undefined) {
    const options = await given(path)
    return outcomeOf(() => create(path, options).verify(token))
  }
  const verifier = create(path)
  await verifier.preload()
  elapsedSeconds = ageSeconds
  const outcome = await outcomeOf(() => verifier.verify(token))
  return { ...outcome, hasWaited: verifier.health().lastFailure !== undefined }
}

/** Nobody is there: at `unreachable`, or under a name that does not exist. */
async function probeNobody() {
  const noHost = async () => {
    throw new TypeError('fetch failed', {
      cause: Object.assign(new Error('No such host'), { code: 'ENOTFOUND' }),
    })
  }
  const options = unreachable ? { issuer: unreachable } : { issuer: 'https://issuer.example', fetch: noHost }
  return outcomeOf(async () => {
    await create('', options).preload()
    return { verifiedBy: 'nobody' }
  })
}

await warmUp(watchMemory ? 3 : 1)
const path = `${place}/${fault}/${process.pid}`
let result = {}
const work = async () => {
  result = place === 'nowhere' ? await probeNobody() : await probe(path)
}
if (watchMemory) {
  const growth = await growthDuring(work)
  result = { ...result, growth }
} else await work()
// While requests are under way in the background, there is no end to wait for.
if (ageSeconds === undefined)
  result = { ...result, ...(await (await fetch(`${origin}/closed/${path}`)).json()) }
process.send(result, () => process.disconnect())
