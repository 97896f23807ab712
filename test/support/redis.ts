import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { RedisClient } from '@telnyx-auth/redis'
import { Redis as IoRedis } from 'ioredis'
import { Redis as IoValkey } from 'iovalkey'
import { createClient } from 'redis'

const NAMES = ['redis-server', 'valkey-server']

const candidates = [
  process.env.REDIS_SERVER,
  ...NAMES.flatMap((name) => (process.env.PATH ?? '').split(':').map((folder) => join(folder, name))),
]

export const redisPath: string | undefined = candidates.find(
  (path) => path !== undefined && path !== '' && existsSync(path),
)

if (redisPath === undefined)
  console.warn(
    'The tests with Redis are skipped: there is no redis-server on the PATH. "apt-get install redis-server" brings one, or the variable REDIS_SERVER names one.',
  )

/** A server of this test, on a loopback port of its own. It keeps nothing on disk. */
export class RedisServer {
  readonly port: number
  readonly #folder: string
  readonly #flags: readonly string[]
  #process: ChildProcess | undefined

  private constructor(port: number, folder: string, flags: readonly string[]) {
    this.port = port
    this.#folder = folder
    this.#flags = flags
  }

  static async start(flags: readonly string[] = []): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'telnyx-auth-redis-'))
    const server = new RedisServer(await freePort(), folder, flags)
    await server.start()
    return server
  }

  /** Starts it on the port that it had before. What it knew is gone. */
  async start(): Promise<void> {
    const child = spawn(
      redisPath ?? '',
      [
        ...['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder],
        ...['--save', '', '--appendonly', 'no', ...this.#flags],
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    )
    this.#process = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    const log: string[] = []
    // Read to the end, or the server would wait for a reader.
    const lines = createInterface(child.stdout)
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        log.push(line)
        if (line.includes('Ready to accept connections')) resolve()
      })
      child.once('error', reject)
      child.once('exit', () => reject(new Error(log.join('\n'))))
    })
  }

  get isRunning(): boolean {
    return this.#process !== undefined
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** It keeps its connections, and answers nothing. */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  async remove(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** The servers that run. None of them outlives the process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * A port that no connection takes by chance while a server is down: below those that systems give to connections, which begin at
 * 32768.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(15_000, 30_000)
    if (await isFree(port)) return port
  }
  throw new Error('There is no free port')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  server.close()
  return free
}

/** A client, as an application makes one. */
export interface OpenClient {
  readonly client: RedisClient
  close(): void
}

export const CLIENT_NAMES = ['redis', 'ioredis', 'iovalkey'] as const
export type ClientName = (typeof CLIENT_NAMES)[number]

/**
 * Connects a client that tries again soon after the connection was lost.
 *
 * @param user whose password is `secret`
 */
export async function openClient(name: ClientName, port: number, user?: string): Promise<OpenClient> {
  const credentials = user === undefined ? {} : { username: user, password: 'secret' }
  if (name === 'redis') {
    const client = createClient({
      ...credentials,
      socket: { host: '127.0.0.1', port, reconnectStrategy: 20 },
    })
    // An outage is what some tests are about.
    client.on('error', () => undefined)
    await client.connect()
    return { client, close: () => client.destroy() }
  }
  const options = { ...credentials, host: '127.0.0.1', port, lazyConnect: true, retryStrategy: () => 20 }
  const client = name === 'ioredis' ? new IoRedis(options) : new IoValkey(options)
  client.on('error', () => undefined)
  await client.connect()
  return { client, close: () => client.disconnect() }
}
