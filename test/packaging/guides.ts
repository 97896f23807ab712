import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { blocksIn, read } from '../docs/markdown.js'
import type { Consumer } from '../support/packed.js'
import { patternOf, runSteps, type Step, stepsOf } from './walk.js'

/** The guides, walked as a reader would: their commands against what users install, and what they print. */

/** Commands that install, or that run until they are stopped. The tests do these in another way. */
const NOT_RUN = /^(?:npx|npm|mkdir|cd) |node server\.js$/m

const readers = (step: Step) => !NOT_RUN.test(step.commands)

/** @param consumerOf the project of a user, once it is there */
export function describeGuides(consumerOf: () => Consumer): void {
  let issuer: MockIssuer
  beforeAll(async () => {
    issuer = await createMockIssuer({ algorithm: 'ES256' })
    await issuer.listen()
  })
  afterAll(() => issuer.close())

  /** Starts examples of the repository in one process. */
  async function serve(files: readonly string[]): Promise<readonly string[]> {
    const programs = files.map(async (file) =>
      consumerOf().write(file.replaceAll('/', '-'), await read(`examples/${file}`)),
    )
    return consumerOf().serve(await Promise.all(programs), { PORT: '0', TELNYX_AUTH_ISSUER: issuer.issuer })
  }

  /** Runs the steps of a guide, with the issuer and the API of the test in place of those that it names. */
  function walk(steps: readonly Step[], api: string, variables: Record<string, string> = {}) {
    const [client] = issuer.clients
    const env = {
      CLIENT_ID: client?.clientId ?? '',
      CLIENT_SECRET: client?.clientSecret ?? '',
      TELNYX_API_KEY: issuer.apiKey,
      ...variables,
    }
    const change = (commands: string) =>
      commands
        .replaceAll(/http:\/\/127\.0\.0\.1:4010|https:\/\/api\.telnyx\.com/g, issuer.issuer)
        .replaceAll('http://127.0.0.1:3000', api)
        // What npx would run.
        .replaceAll(
          'npx @telnyx-auth/cli',
          `node ${consumerOf().path('node_modules/@telnyx-auth/cli/dist/main.js')}`,
        )
    return runSteps(steps, env, change)
  }

  it('first-api.md: every step prints what the page says', async () => {
    const [api = ''] = await serve(['express/server.js'])
    const steps = (await stepsOf('packages/core/docs/guides/first-api.md')).filter(readers)
    const printed = await walk(steps, api)
    expect(steps.filter((step) => step.printed !== undefined)).toHaveLength(4)
    for (const [index, { line, printed: promised }] of steps.entries())
      if (promised !== undefined) expect(printed[index], `line ${line}`).toMatch(patternOf(promised))

    const explained = steps.findIndex(({ commands }) => commands.includes('cli explain'))
    expect(printed[explained]).toMatch(/\nThe token is accepted\.\n$/)

    // Those with Telnyx: a client is created, and a client gets a token.
    const [created, got] = printed.slice(-2).map((text) => JSON.parse(text))
    expect(created.data).toMatchObject({ name: 'My client', client_secret: expect.any(String) })
    expect(got).toMatchObject({ token_type: 'Bearer', scope: 'messaging.read' })
    const response = await fetch(`${api}/messages`, {
      headers: { authorization: `Bearer ${got.access_token}` },
    })
    expect(response.status).toBe(200)
  })

  it('first-api.md: the API says what the page says, and so does its debug log', async () => {
    const page = 'packages/core/docs/guides/first-api.md'
    const start = (await stepsOf(page)).find(({ commands }) => commands.includes('NODE_DEBUG='))
    const log = blocksIn(await read(page)).find(({ code }) => code.startsWith('TELNYX-AUTH'))
    const program = await consumerOf().write('debug.js', await read('examples/express/server.js'))
    const runner = new URL('../support/serve-each.mjs', import.meta.url)
    const env = { NODE_DEBUG: 'telnyx-auth', PORT: '0', TELNYX_AUTH_ISSUER: issuer.issuer }
    const child = fork(runner, [program], { cwd: consumerOf().directory, env, silent: true })
    onTestFinished(() => {
      child.kill()
    })
    const greeted = once(child.stdout ?? expect.fail('no stdout'), 'data')
    const [[port]] = await once(child, 'message')
    expect(String(await greeted)).toMatch(patternOf(start?.printed?.replace('3000', '0') ?? ''))
    const logged = once(child.stderr ?? expect.fail('no stderr'), 'data')
    await fetch(`http://127.0.0.1:${port}/me`, { headers: { authorization: 'Bearer let-me-in' } })
    expect(String(await logged)).toMatch(patternOf(log?.code ?? ''))
  })

  it('audience.md: its commands read the audience of a token', async () => {
    const audience = 'https://api.example.com'
    const steps = await stepsOf('packages/core/docs/guides/audience.md')
    const [printed, answer = ''] = await walk(steps, '', { TOKEN: await issuer.issueToken({ audience }) })
    expect(printed).toMatch(patternOf(steps[0]?.printed ?? ''))
    expect(JSON.parse(answer)).toMatchObject({ token_type: 'Bearer' })
  })

  describe('rate-limiting.md', () => {
    const files = ['rate-limiting/express.js', 'rate-limiting/fastify.js']
    let urls: readonly string[]
    beforeAll(async () => {
      urls = await serve(files)
    })

    it.each(files)('%s limits refused requests of one address, and counts no good ones', async (file) => {
      const ask = (address: string, token: string) =>
        fetch(`${urls[files.indexOf(file)]}/me`, {
          headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': address },
        })
      const token = await issuer.issueToken()
      for (let count = 0; count < 80; count++) expect((await ask('203.0.113.7', token)).status).toBe(200)

      let refused = 0
      while ((await ask('203.0.113.7', 'let-me-in')).status === 401) refused++
      // A refusal is counted when its answer has been sent, which may be a moment after the next request came.
      expect(refused).toBeGreaterThanOrEqual(60)
      expect(refused).toBeLessThan(65)

      const limited = await ask('203.0.113.7', token)
      expect([limited.status, await limited.json()]).toEqual([429, { error: 'too_many_requests' }])
      const seconds = Number(limited.headers.get('retry-after'))
      expect(seconds > 0 && seconds <= 60).toBe(true)
      // What the caller writes before the proxy does is not its address.
      expect((await ask('198.51.100.1, 203.0.113.7', token)).status).toBe(429)
      expect((await ask('198.51.100.1', token)).status).toBe(200)
    })

    it.each(files)('%s counts a network of IPv6 as one address', async (file) => {
      const ask = (address: string) =>
        fetch(`${urls[files.indexOf(file)]}/me`, { headers: { 'x-forwarded-for': address } })
      let refused = 0
      while ((await ask(`2001:db8:0:1::${refused.toString(16)}`)).status === 401) refused++
      expect(refused).toBeGreaterThanOrEqual(60)
      expect(refused).toBeLessThan(65)
      expect((await ask('2001:db8:0:2::1')).status).toBe(401)
    })
  })
}
