// Writes the API reference, from the doc comments of all that the packages export: packages/core/docs/decisions/tools.md.
// Usage: node generate.js FOLDER
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Application, Comment, IndexedAccessType, ReflectionKind, ReflectionType } from 'typedoc'
import ts from 'typescript'
import { nameUnions } from './name-unions.js'
import { PageRouter } from './page-router.js'

const [out] = process.argv.slice(2)
if (!out) throw new Error('Name the folder that the reference is written to')

const packages = fileURLToPath(new URL('../../packages', import.meta.url))

/** The entry points: what programs write behind `from`, and what it is, by the source that it leads to. */
const entries = new Map()
for (const folder of (await readdir(packages)).sort()) {
  const manifest = JSON.parse(await readFile(join(packages, folder, 'package.json'), 'utf8'))
  for (const [entry, target] of Object.entries(manifest.exports)) {
    if (typeof target !== 'object') continue
    const source = join(packages, folder, target['@telnyx-auth/source'])
    const about = entry === '.' ? `${manifest.description}.` : ''
    const reexports = (await readFile(source, 'utf8')).match(/(?<=^export \* from ')[^']+/gm) ?? []
    entries.set(source, { name: manifest.name + entry.slice(1), about, reexports })
  }
}

// TypeDoc takes braces after a tag for a type, and leaves them out. A value is code, which a sentence is not.
const readSource = ts.sys.readFile
ts.sys.readFile = (file, encoding) => {
  const source = readSource(file, encoding)
  if (!file.startsWith(packages) || file.includes('node_modules')) return source
  return source
    ?.replace(/@throws \{([\w |]+)\}/g, '@throws `$1`')
    .replace(/(?<=@default )('[^'\n]*'|[\d.]+|true|false|\{.*?\})(?= \*\/|$)/gm, '`$1`')
}

/** What standards define, and members whose comment stands above them: that of `GetToken`, and constructors. */
const COMMENTED_ELSEWHERE = [
  'core.FetchResponse.headers.__type.get',
  'core.FetchResponse.body.__type.getReader',
  'core.FetchResponse.body.__type.getReader.__type.read',
  'core.FetchResponse.body.__type.getReader.__type.read.__type.done',
  'core.FetchResponse.body.__type.getReader.__type.read.__type.value',
  'core.FetchResponse.body.__type.getReader.__type.cancel',
  'core.WebRequest.headers.__type.get',
  'core.GetToken.__type.getToken',
  'mcp/v1.SdkErrors.InvalidTokenError.__type',
  'mcp/v1.SdkErrors.InsufficientScopeError.__type',
  'mcp/v1.SdkErrors.ServerError.__type',
]

const app = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown'],
  tsconfig: fileURLToPath(new URL('tsconfig.json', import.meta.url)),
  // `pnpm check:types` does that.
  skipErrorChecking: true,
  entryPoints: [...entries.keys()],
  outputs: [{ name: 'markdown', path: out }],
  name: 'API reference',
  readme: fileURLToPath(new URL('introduction.md', import.meta.url)),
  mergeReadme: true,
  router: 'page',
  excludeScopesInPaths: true,
  hidePageHeader: true,
  sort: ['kind', 'alphabetical'],
  groupOrder: ['Functions', 'Variables', 'Classes', 'Interfaces', 'Type Aliases'],
  parametersFormat: 'table',
  propertyMembersFormat: 'table',
  typeDeclarationFormat: 'table',
  // Nothing that changes with each commit.
  disableGit: true,
  disableSources: true,
  excludeExternals: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  // The adapters re-export all of core.
  excludeReferences: true,
  // The text of `@default` is text, not code.
  jsDocCompatibility: { defaultTag: false },
  validation: { invalidLink: true, notDocumented: true, notExported: false },
  // Each exported name, and each member of it.
  requiredToBeDocumented: [
    'Function',
    'Variable',
    'Class',
    'Interface',
    'TypeAlias',
    'Accessor',
    'Method',
    'Property',
  ],
  intentionallyNotDocumented: COMMENTED_ELSEWHERE.map((name) => `@telnyx-auth/${name}`),
  packagesRequiringDocumentation: Array.from(entries.values(), ({ name }) => name),
})

app.renderer.defineRouter('page', PageRouter)

app.converter.on('resolveEnd', (context) => {
  const { project } = context
  nameUnions(context)
  for (const reflection of Object.values(project.reflections)) simplify(project, reflection)
})

/** After TypeDoc has made groups of what is left. */
const LAST = -10_000
app.converter.on(
  'resolveEnd',
  ({ project }) => {
    for (const module of project.children ?? [])
      introduce(module, entries.get(project.files.getReflectionPath(module)))
  },
  LAST,
)

function simplify(project, reflection) {
  // Members that a class inherits stand with its base class. Where an interface has its members from is of no interest.
  if (reflection.inheritedFrom && reflection.parent?.kindOf(ReflectionKind.Class)) {
    project.removeReflection(reflection)
    return
  }
  delete reflection.inheritedFrom
  delete reflection.overwrites
  // The type of a method, `{ name(): void }['name']`, is a function.
  const { type, comment } = reflection
  if (type instanceof IndexedAccessType && type.objectType instanceof ReflectionType) {
    const [method] = type.objectType.declaration.children ?? []
    if (method?.signatures) reflection.type = new ReflectionType(method)
  }
  if (comment) writeTags(comment)
}

const text = (text) => ({ kind: 'text', text })

/** Writes a default, and all errors, in one line each. */
function writeTags(comment) {
  const value = comment.getTag('@default')
  if (value) {
    comment.removeTags('@default')
    comment.summary.push(text('\n\nDefault: '), ...value.content)
  }
  const [first, ...others] = comment.getTags('@throws')
  if (others.length === 0) return
  first.content = [first, ...others].flatMap(({ content }) => [text('\n- '), ...content])
  comment.blockTags = comment.blockTags.filter((tag) => !others.includes(tag))
}

/** What a page begins with: the entry point, and the names that it exports. */
function introduce(module, { name, about, reexports }) {
  module.name = name
  const groups = (module.groups ?? []).flatMap(({ title, children }) => {
    const links = children.map((target) => ({ kind: 'inline-tag', tag: '@link', text: target.name, target }))
    return [text(`\n- ${title}:`), ...links.flatMap((link) => [text(' '), link])]
  })
  const also = reexports.map((other) => text(`It also exports all of \`${other}\`.\n\n`))
  module.comment ??= new Comment()
  module.comment.summary = [text(`${about}\n\n`), ...also, ...module.comment.summary, text('\n\n'), ...groups]
}

const project = await app.convert()
if (!project) throw new Error('TypeDoc could not read the source')
app.validate(project)
await app.generateOutputs(project)
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1
