/** Serves the application with the runtime's own server, and prints the port. */
import { createApp } from './app.mjs'
import { parts } from './parts.mjs'
import { serverParts } from './server-parts.mjs'

const { fetch } = createApp({ ...parts, ...serverParts })
const address = { hostname: '127.0.0.1', port: 0 }

if (globalThis.Bun) console.log(Bun.serve({ ...address, fetch: (request) => fetch(request) }).port)
else if (globalThis.Deno)
  Deno.serve({ ...address, onListen: ({ port }) => console.log(port) }, (request) => fetch(request))
else {
  const { serve } = await import('@hono/node-server')
  serve({ ...address, fetch }, ({ port }) => console.log(port))
}
