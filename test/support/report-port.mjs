/** Preloaded into a server under test: sends the parent process the port as soon as there is one. */
import { Server } from 'node:net'

const { listen } = Server.prototype
Server.prototype.listen = function (...args) {
  this.once('listening', () => process.send?.({ port: this.address().port }))
  return Reflect.apply(listen, this, args)
}
