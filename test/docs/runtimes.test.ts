import { expect, it } from 'vitest'
import { tableOf } from '../runtimes/table.js'
import { read } from './markdown.js'

/** The packages in which the runtimes of the table come. */
const PACKAGES: Readonly<Record<string, string>> = {
  'Node 22': 'node-22',
  'Node 24': 'node-24',
  'Node 26': 'node-26',
  Bun: '@oven/bun-linux-x64-baseline',
  Deno: '@deno/linux-x64-glibc',
  workerd: '@cloudflare/workerd-linux-64',
  'TypeScript 5.9': 'typescript-5',
}

it('runtimes.md names the versions that check:runtimes runs', async () => {
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(
    await read('.ci/runtimes/package.json'),
  )
  const [, ...rows] = await tableOf('runtime')
  const documented = new Map(rows.map(([name, version]) => [name, version]))
  for (const [name, source] of Object.entries(PACKAGES))
    expect([name, documented.get(name)]).toEqual([name, dependencies[source]?.replace(/^npm:.+@/, '')])
  const { version } = JSON.parse(await read('node_modules/typescript/package.json'))
  expect(documented.get('TypeScript 7')).toBe(version)
  expect(Object.keys(dependencies).sort()).toEqual(Object.values(PACKAGES).sort())
})
