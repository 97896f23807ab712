import { Socket } from 'node:net'

/** The only hosts that tests connect to. */
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

const { connect } = Socket.prototype

/** Connections to other machines fail. A request of `fetch` or `node:http` to one then fails as in an outage. */
function connectToLoopback(this: Socket, ...args: unknown[]): Socket {
  const host = hostOf(args)
  if (host === undefined || LOOPBACK.has(host)) return Reflect.apply(connect, this, args)
  const error = Object.assign(new Error(`A test must not connect to ${host}`), { code: 'ENETUNREACH' })
  process.nextTick(() => this.destroy(error))
  return this
}

/** `connect` is called with options, with a port and a host, with a path, or by `node:net` with an array of these. */
function hostOf(args: readonly unknown[]): string | undefined {
  const [first, second] = args
  if (Array.isArray(first)) return hostOf(first)
  if (typeof first === 'object' && first !== null && 'host' in first) return text(first.host)
  return typeof first === 'number' ? text(second) : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

// Vitest runs this file before each test file, several times in a worker.
if (connect.name !== connectToLoopback.name)
  Object.defineProperty(Socket.prototype, 'connect', {
    value: connectToLoopback,
    configurable: true,
    writable: true,
  })
