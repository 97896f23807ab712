// Replaces the modules of core by a few files, which Node loads faster: see packages/core/docs/decisions/tools.md.
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const dist = fileURLToPath(new URL('../packages/core/dist', import.meta.url))
// What package.json names.
const entries = ['index', 'adapter/index', 'token/signature-engine-node', 'token/signature-engine-web']

const bundle = await mkdtemp(join(tmpdir(), 'telnyx-auth-bundle-'))
await build({
  input: Object.fromEntries(entries.map((name) => [name, join(dist, `${name}.js`)])),
  // The package condition chooses the engine where core runs.
  external: [/^node:/, /^jose(\/|$)/, '#signature-engine'],
  platform: 'node',
  logLevel: 'warn',
  output: {
    dir: bundle,
    entryFileNames: '[name].js',
    chunkFileNames: 'shared/[name].js',
    comments: false,
    // The names of the source are in stack traces and debuggers.
    minifyInternalExports: false,
  },
})

// No entry point leads to the other declarations, so no program can use what they describe.
const declarations = new Set(entries.map((name) => join(dist, `${name}.d.ts`)))
for (const file of declarations)
  for (const [, path] of (await readFile(file, 'utf8')).matchAll(/\b(?:from|import\() ?'(\.[^']+)\.js'/g))
    declarations.add(join(dirname(file), `${path}.d.ts`))
const unused = (await readdir(dist, { recursive: true })).map((name) => join(dist, name))
for (const file of unused) if (file.endsWith('.d.ts') && !declarations.has(file)) await rm(file)

const modules = (await readdir(dist, { recursive: true })).filter((name) => name.endsWith('.js'))
for (const name of modules) await rm(join(dist, name))
await cp(bundle, dist, { recursive: true })
await rm(bundle, { recursive: true })

// Without it, `tsc -b` writes all modules again the next time. Otherwise it would write only those that have changed.
await rm(join(dist, '.tsbuildinfo'), { force: true })
