/**
 * Starts several servers in one process, which is faster than a process for each of them: `serve-each.mjs <programs>`.
 * Sends the parent process their ports.
 */
import { Server } from 'node:net'
import { pathToFileURL } from 'node:url'

const { listen } = Server.prototype

/** The port of the next server that listens. */
const nextPort = () =>
  new Promise((resolve) => {
    Server.prototype.listen = function (...args) {
      Server.prototype.listen = listen
      this.once('listening', () => resolve(this.address().port))
      return Reflect.apply(listen, this, args)
    }
  })

const ports = []
for (const program of process.argv.slice(2)) {
  const port = nextPort()
  await import(pathToFileURL(program))
  if (Server.prototype.listen !== listen) throw new Error(`${program} does not listen`)
  ports.push(await port)
}
process.send(ports)
