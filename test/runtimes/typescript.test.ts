import { execFile } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RIGHT } from '../packaging/programs.js'
import { packages } from '../packaging/workspace.js'
import { Consumer, ROOT } from '../support/packed.js'
import { fileOf } from './install.js'

/** The declarations that users install compile, strictly and together with those of the frameworks. */

const COMPILERS = [
  ['TypeScript 5.9', fileOf('typescript-5', 'bin/tsc')],
  ['TypeScript 7', `${ROOT}/node_modules/typescript/bin/tsc`],
] as const

/** What users write behind `from`, of all packages. */
const entries = packages.flatMap(({ manifest }) =>
  Object.keys(manifest.exports ?? {})
    .filter((name) => name !== './package.json')
    .map((name) => `${manifest.name}${name.slice(1)}`),
)

const asModules = entries
  .map((entry, index) => `import * as entry${index} from '${entry}'\nvoid entry${index}\n`)
  .join('')
const asRequired = entries
  .map((entry, index) => `import entry${index} = require('${entry}')\nvoid entry${index}\n`)
  .join('')
const asAwaited = `export const load = async () => [\n${entries.map((entry) => `  await import('${entry}'),\n`).join('')}]\n`

/** Programs of CommonJS: without the option `node16`, they may `require()` modules. */
const RESOLUTIONS = [
  ['node16', 'node16', { 'entries.mts': asModules, 'entries.cts': asAwaited }],
  ['nodenext', 'nodenext', { 'entries.mts': asModules, 'entries.cts': asRequired }],
  ['bundler', 'esnext', { 'entries.ts': asModules }],
] as const

let consumer: Consumer
beforeAll(async () => {
  consumer = await Consumer.create()
})
afterAll(() => consumer.remove())

/** Runs a compiler in the project of the consumer. */
function run(tsc: string, ...args: string[]): Promise<{ code: unknown; output: string }> {
  return promisify(execFile)(process.execPath, [tsc, ...args], { cwd: consumer.directory }).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  )
}

describe.each(COMPILERS)('%s', (name, tsc) => {
  it('is this version', async () => {
    expect((await run(tsc, '--version')).output.replace('Version', 'TypeScript')).toContain(`${name}.`)
  })

  it.each(RESOLUTIONS)('moduleResolution %s', async (moduleResolution, module, programs) => {
    const rights = Object.entries(RIGHT).map(([name, source]) => [`${name}.mts`, source] as const)
    const files = new Map([...rights, ...Object.entries(programs)])
    for (const [name, source] of files) await consumer.write(name, source)
    await consumer.write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: {
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          skipLibCheck: false,
          noEmit: true,
          target: 'es2023',
          // Declarations of Hono and of the MCP SDK use types of browsers.
          lib: ['es2023', 'dom', 'dom.iterable'],
          types: ['node'],
          module,
          moduleResolution,
        },
        files: [...files.keys()],
      }),
    )
    expect(await run(tsc, '-p', '.', '--pretty', 'false')).toEqual({ code: 0, output: '' })
  })
})
