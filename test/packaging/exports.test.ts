import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseAst } from 'vitest/node'
import { packages, path, read } from './workspace.js'

/** What the source of an entry point exports, by name. */
interface Exports {
  readonly values: ReadonlySet<string>
  readonly types: ReadonlySet<string>
  /** The packages of which it exports everything (`export * from`). */
  readonly reexported: readonly string[]
}

type Statement = ReturnType<typeof parseAst>['body'][number]
type Declaration = Extract<Statement, { type: 'ExportNamedDeclaration' }>['declaration']

/** An entry point of a package: what users write behind `from`, and the file that it leads to in development. */
const entries = packages.flatMap(({ folder, manifest }) =>
  Object.entries(manifest.exports ?? {})
    .filter(([name]) => name !== './package.json')
    .map(([name, target]) => {
      const source = typeof target === 'string' ? undefined : target['@telnyx-auth/source']
      if (source === undefined)
        throw new Error(`${manifest.name} does not say where the source of ${name} is`)
      return { entry: `${manifest.name}${name.slice(1)}`, file: `${folder}/${source.slice(2)}` }
    }),
)

describe('public exports', () => {
  it('are the ones in exports.txt, of every package', async () => {
    const sections = [
      ...entries.map(({ entry, file }) => section(entry, namesOf(file))),
      ...packages.flatMap(({ manifest: { name, bin } }) =>
        bin ? section(`commands of ${name}`, Object.keys(bin)) : [],
      ),
    ]
    // After an intended change: pnpm test packaging/exports -u
    await expect(sections.join('\n')).toMatchFileSnapshot('exports.txt')
  })

  it.each(entries)('$entry has the values at run time that its source names', async ({ file }) => {
    const { values, reexported } = parseExports(file)
    const inherited = await Promise.all(
      reexported.map(async (name) => {
        const entry = entries.find((candidate) => candidate.entry === name)
        return entry ? Object.keys(await load(entry.file)) : []
      }),
    )
    expect(Object.keys(await load(file)).sort()).toEqual(
      [...new Set([...values, ...inherited.flat()])].sort(),
    )
  })
})

function section(title: string, lines: readonly string[]): string {
  return [title, ...lines.map((line) => `  ${line}`), ''].join('\n')
}

function namesOf(file: string): string[] {
  const { values, types, reexported } = parseExports(file)
  return [
    ...reexported.map((name) => `all of ${name}`),
    ...[...values].sort(),
    ...[...types].sort().map((name) => `type ${name}`),
  ]
}

/** Reads the `export` statements of a file. Entry points name each export, so that one file tells what is public. */
function parseExports(file: string): Exports {
  const values = new Set<string>()
  const types = new Set<string>()
  const reexported: string[] = []
  for (const statement of parseAst(read(file), { lang: 'ts' }).body) {
    if (statement.type === 'ExportAllDeclaration') {
      if (statement.exported !== null || statement.source.value.startsWith('.'))
        throw new Error(`${file} must name each export of ${statement.source.value}`)
      reexported.push(statement.source.value)
    } else if (statement.type === 'ExportDefaultDeclaration') {
      values.add('default')
    } else if (statement.type === 'ExportNamedDeclaration') {
      const named = statement.exportKind === 'type' ? types : values
      for (const { exported, exportKind } of statement.specifiers)
        (exportKind === 'type' ? types : named).add(
          exported.type === 'Literal' ? exported.value : exported.name,
        )
      for (const name of declaredNames(statement.declaration, file)) named.add(name)
    }
  }
  return { values, types, reexported }
}

function declaredNames(declaration: Declaration, file: string): string[] {
  if (declaration === null) return []
  const ids =
    declaration.type === 'VariableDeclaration'
      ? declaration.declarations.map(({ id }) => id)
      : [declaration.id]
  return ids.map((id) => {
    if (id?.type !== 'Identifier') throw new Error(`${file} exports something without a plain name`)
    return id.name
  })
}

async function load(file: string): Promise<object> {
  return import(pathToFileURL(path(file)).href)
}
