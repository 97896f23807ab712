import { mock } from 'node:test'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { createConsumer } from './consumer.js'
import { createProducer } from './producer.js'
import { MemoryQueue } from './queue.js'

/** Jobs with good and bad tokens, with an issuer that is up and down. Time passes only when the demo says so. */

let passedMs = 0
const clocks = [Date, performance].map((clock) => {
  const now = clock.now.bind(clock)
  return mock.method(clock, 'now', () => now() + passedMs)
})

const issuer = await createMockIssuer({ algorithm: 'ES256' })
const options = { issuer: issuer.issuer, audience: issuer.audience, fetch: issuer.fetch }
const scopes = ['messaging.write']
/** @param {number} [expiresInSeconds] */
const tokenFor = (expiresInSeconds = 60) => issuer.issueToken({ scopes, subject: 'user-1', expiresInSeconds })

console.log('Jobs of our own API, verified when they arrive:')
const ours = new MemoryQueue()
const api = createProducer(options, ours)
for (const token of [await tokenFor(), await tokenFor(-60)]) {
  const headers = { authorization: `Bearer ${token}` }
  const request = new Request('https://api.example.com/jobs', { method: 'POST', headers, body: 'hello' })
  console.log(`  POST /jobs → ${(await api(request)).status}`)
}
await ours.deliver(async ({ caller, body }) => {
  console.log(`  ${caller?.subject}: ${body}`)
  return 'done'
})

const theirs = new MemoryQueue()
const consume = createConsumer(options, async ({ subject }, body) => {
  if (body === 'cannot be done') throw new Error('The work fails')
  console.log(`  ${subject}: ${body}`)
})
const deliver = () =>
  theirs.deliver(async (job) => {
    try {
      const outcome = await consume(job)
      if (outcome !== 'done')
        console.log(
          `  ${job.id}: ${'deadLetter' in outcome ? `dead letter, ${outcome.deadLetter}` : 'later'}`,
        )
      return outcome
    } catch (error) {
      console.log(`  ${job.id}: failed`)
      throw error
    }
  })

console.log('Jobs of other systems, while the issuer is down:')
issuer.fault('metadata', { drop: true })
theirs.publish({ id: 'job-1', token: await tokenFor(), body: 'sent before the token expired' })
theirs.publish({ id: 'job-2', token: await tokenFor(-60), body: 'sent with an expired token' })
theirs.publish({ id: 'job-3', token: await issuer.issueToken(), body: 'sent without the scope' })
theirs.publish({ id: 'job-4', token: await tokenFor(3600), body: 'has time' })
await deliver()

console.log('Two minutes later, when the issuer is up again:')
issuer.clearFaults()
passedMs += 120_000
await deliver()

console.log('A job that has waited too long:')
theirs.publish({ id: 'job-5', token: await tokenFor(), body: 'too late' })
passedMs += 660_000
await deliver()

console.log('A job whose work fails:')
theirs.publish({ id: 'job-6', token: await tokenFor(), body: 'cannot be done' })
for (let attempt = 1; attempt <= 4; attempt++) {
  await deliver()
  passedMs += 10_000
}

console.log(`Dead letters: ${JSON.stringify(theirs.deadLetters)}`)
for (const clock of clocks) clock.mock.restore()
