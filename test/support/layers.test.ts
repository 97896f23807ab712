import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { checkLayers } from './layers.js'

/** A `src` folder with these files. */
async function write(files: Readonly<Record<string, string>>): Promise<string> {
  const src = await mkdtemp(join(tmpdir(), 'telnyx-auth-layers-'))
  onTestFinished(() => rm(src, { recursive: true }))
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(src, file)), { recursive: true })
    await writeFile(join(src, file), text)
  }
  return src
}

it('accepts imports within a room and downward', async () => {
  const src = await write({
    'index.ts': "export { a } from './http/a.js'",
    'http/a.ts': "import { b } from './b.js'\nimport 'node:fs'",
    'http/b.ts': "import { c } from '../state/inner/c.js'",
    'state/inner/c.ts': '',
  })
  const layers = { http: ['state'], state: [] }
  expect(await checkLayers(src, layers)).toEqual({ violations: [], circles: [] })
})

it.each([
  "import { up } from '../http/up.js'",
  "import type { Up } from '../http/up.js'",
  "export * from '../http/up.js'",
  "import '../http/up.js'",
  "await import('../http/up.js')",
  "type Up = import('../http/up.js').Up",
  "import {\n  up,\n} from '../http/up.js'",
])('reports an import that runs upward: %j', async (text) => {
  const src = await write({ 'state/low.ts': text, 'http/up.ts': '' })
  const { violations } = await checkLayers(src, { http: ['state'], state: [] })
  expect(violations).toEqual(['state/low.ts imports http/up.ts'])
})

it('reports an import of a flat file, unless the layers put a room above it', async () => {
  const src = await write({ 'cli/main.ts': "import '../index.js'", 'index.ts': '' })
  expect((await checkLayers(src, { cli: [] })).violations).toEqual(['cli/main.ts imports index.ts'])
  expect(await checkLayers(src, { cli: ['.'], '.': [] })).toEqual({ violations: [], circles: [] })
})

it('tells a room within a room apart', async () => {
  const src = await write({ 'issuer/http/a.ts': "import '../b.js'", 'issuer/b.ts': '' })
  const { violations } = await checkLayers(src, { issuer: ['issuer/http'], 'issuer/http': [] })
  expect(violations).toEqual(['issuer/http/a.ts imports issuer/b.ts'])
})

it('reports a folder that is no room, and a file that does not exist', async () => {
  const src = await write({ 'new/a.ts': "import './gone.js'" })
  const { violations } = await checkLayers(src, {})
  expect(violations).toEqual(['new is no room', 'new/a.ts imports new/gone.ts, which does not exist'])
})

it('reports circles: of files in one room, and of rooms in the layers', async () => {
  const src = await write({ 'http/a.ts': "import type { B } from './b.js'", 'http/b.ts': "import './a.js'" })
  const { circles } = await checkLayers(src, { http: ['state'], state: ['http'] })
  expect(circles).toEqual(['http/a.ts → http/b.ts → http/a.ts', 'http → state → http'])
})
