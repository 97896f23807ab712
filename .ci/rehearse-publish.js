// Rehearses the publication of each tarball: node .ci/rehearse-publish.js <folder of the tarballs>
// npm asks the registry even for a dry run, and refuses a version that is published already. So it asks an empty registry here.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'

const [folder = '.'] = process.argv.slice(2)
const sent = []
const registry = createServer((request, response) => {
  if (request.method !== 'GET') sent.push(`${request.method} ${request.url}`)
  response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
})
registry.listen(0, '127.0.0.1')
await once(registry, 'listening')
const { port } = registry.address()
const flags = ['--dry-run', '--json', '--ignore-scripts', `--registry=http://127.0.0.1:${port}`]

/** The name and version that npm would publish. */
async function rehearse(file) {
  const { stdout } = await promisify(execFile)('npm', ['publish', join(folder, file), ...flags])
  return Object.values(JSON.parse(stdout)).map(({ id }) => id)
}

const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
const published = (await Promise.all(tarballs.map(rehearse))).flat()
registry.close()
console.log(`npm would publish ${published.join(', ')}`)
if (tarballs.length === 0) throw new Error('There is no tarball')
if (sent.length > 0) throw new Error(`A rehearsal has sent ${sent}`)
