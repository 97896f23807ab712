/** How much memory a replay store retains for so many proofs, in a process of its own: `replay-memory.mjs <core> <proofs>`. */
import { hash } from 'node:crypto'

const [core, proofs] = process.argv.slice(2)
const { MemoryReplayStore } = await import(`${core}/sender/replay-store.js`)

const clock = { now: () => 0, monotonic: () => elapsed, random: () => 0 }
let elapsed = 0.25

function used() {
  for (let round = 0; round < 4; round++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function fill(store, count) {
  for (let index = 0; index < count; index++) {
    elapsed += 0.125
    await store.add(hash('sha256', `thumbprint.${index}`, 'base64url'), 65.5)
  }
}

// Code is compiled before anything is measured.
await fill(new MemoryReplayStore(clock), 100)
const before = used()
const store = new MemoryReplayStore(clock)
await fill(store, Number(proofs))
const retained = used() - before
const { entries } = store.health
elapsed += 100_000
await store.add('next', 65.5)
console.log(JSON.stringify({ retained, entries, afterwards: store.health.entries, left: used() - before }))
