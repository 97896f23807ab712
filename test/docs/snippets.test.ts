import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { ROOT } from './markdown.js'
import { packagesOf, typesIn } from './snippet-context.js'
import { type Fragment, fragments, importedNames, mentions, partsOf } from './snippets.js'

/** Every fragment of code in the documents compiles. Blocks that name a file are that file, which is compiled where it is. */

const all = await fragments()

/** What the packages export, by their names. */
const exportsOf = new Map(
  await Promise.all(
    [...new Set(all.flatMap(({ document }) => packagesOf(document)))].map(
      async (name) => [name, Object.keys(await import(name))] as const,
    ),
  ),
)

/** The lines before the code of a fragment. */
const LINES_BEFORE = 1

/** A module with the fragment in it: what it does not declare comes from {@link typesIn} and {@link packagesOf}. */
function moduleOf({ code, document }: Fragment): string {
  const { imports, body } = partsOf(code)
  const known = new Set(importedNames(imports))
  const needed = (name: string) => !known.has(name) && mentions(code, name)
  // Some declarations are possible at the top of a module only. Such a fragment is a module by itself.
  const isModule = /^(?:declare module|export \*)/m.test(body)
  const packages = (isModule ? [] : packagesOf(document)).flatMap((name) => {
    const names = (exportsOf.get(name) ?? []).filter(needed)
    for (const each of names) known.add(each)
    return names.length > 0 ? [`import { ${names.join(', ')} } from '${name}'`] : []
  })
  const declared = Object.entries(typesIn(document))
    .filter(([name]) => needed(name))
    .map(([name, type]) => `declare const ${name}: ${type}`)
  const head = [...imports, ...packages, ...declared].join('; ')
  if (isModule) return `${head}\n${body}`
  return `${head}; export default async () => {\n${body.replaceAll(/^export (?:default )?/gm, '')}}\n`
}

const nameOf = ({ document, line }: Fragment) => `${document.replaceAll(/\W/g, '-')}-${line}`

/** Compiles modules in one program. @returns what the compiler says, by the name of the module */
async function compile(modules: ReadonlyMap<string, string>): Promise<string[]> {
  const folder = join(inject('runFolder'), 'snippets')
  await mkdir(folder)
  await symlink(join(ROOT, 'test/node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const compilerOptions = {
    rootDir: '/',
    noEmit: true,
    declaration: false,
    isolatedDeclarations: false,
    composite: false,
    incremental: false,
    tsBuildInfoFile: null,
    skipLibCheck: true,
    // A fragment is a part of a program. Those in JavaScript name no types.
    noImplicitAny: false,
    exactOptionalPropertyTypes: false,
    noImplicitReturns: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  }
  const config = { extends: join(ROOT, 'tsconfig.base.json'), compilerOptions, include: ['*.ts'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await Promise.all([...modules].map(([name, text]) => writeFile(join(folder, `${name}.ts`), text)))
  // One thread: several take twice the time of the processor, because they share nothing of a declaration.
  const flags = ['--pretty', 'false', '--singleThreaded']
  const output = await promisify(execFile)('tsc', ['-p', folder, ...flags], { cwd: ROOT }).then(
    () => '',
    (error: { code: unknown; stdout: string }) => {
      // Without an exit code, the compiler has not run, and has found nothing for that reason.
      if (typeof error.code !== 'number' || error.stdout === '') throw error
      return error.stdout
    },
  )
  return output.split(/\n(?=\S)/).filter((error) => error !== '')
}

describe('every fragment of code in the documents compiles', () => {
  let errors: readonly string[]
  beforeAll(async () => {
    errors = await compile(new Map(all.map((fragment) => [nameOf(fragment), moduleOf(fragment)])))
  })

  it.each(all.map((fragment) => [fragment.place, fragment] as const))('%s', (_, fragment) => {
    const own = errors.filter((error) => error.split('(')[0]?.endsWith(`${nameOf(fragment)}.ts`))
    const told = own.map((error) =>
      error.replace(
        /^.*?\((\d+),/,
        (_, line) => `line ${Number(line) - LINES_BEFORE + fragment.line - 1}, column (`,
      ),
    )
    expect(told).toEqual([])
  })

  it('nothing else is wrong', () => {
    const names = all.map((fragment) => `${nameOf(fragment)}.ts`)
    expect(errors.filter((error) => !names.some((name) => error.split('(')[0]?.endsWith(name)))).toEqual([])
  })
})
