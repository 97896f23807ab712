import { readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'

/**
 * The rooms of a `src` folder, each with the rooms that its files may import. A room is a folder (`issuer`,
 * `issuer/http`), or `.` for the files flat in `src`. A file belongs to the deepest room that holds it. Without an
 * entry of its own, `.` stands above all rooms and may import each of them.
 */
export type Layers = Readonly<Record<string, readonly string[]>>

/** What breaks the layers; each line names the files. */
export interface LayerReport {
  /** Imports that the layers do not allow, and folders that are no room. */
  readonly violations: readonly string[]
  /** Files that import each other, and rooms that the layers let import each other. */
  readonly circles: readonly string[]
}

type Graph = ReadonlyMap<string, readonly string[]>

/**
 * Compares the imports of a `src` folder with its layers. Type imports count as well. Only relative imports are read:
 * what a package's own name or a `#` import leads to is not seen.
 *
 * @example expect(await checkLayers(src, { http: ['state'], state: [] })).toEqual({ violations: [], circles: [] })
 */
export async function checkLayers(src: string, layers: Layers): Promise<LayerReport> {
  const imports = await readImports(src)
  const allowed = new Map([['.', Object.keys(layers)], ...Object.entries(layers)])
  const rooms = [...allowed.keys()].filter((room) => room !== '.').sort((a, b) => b.length - a.length)
  const roomOf = (file: string): string =>
    rooms.find((room) => file.startsWith(`${room}/`)) ?? posix.dirname(file)

  const violations: string[] = []
  for (const room of new Set([...imports.keys()].map(roomOf)))
    if (!allowed.has(room)) violations.push(`${room} is no room`)
  for (const [file, targets] of imports)
    for (const target of targets)
      if (!imports.has(target)) violations.push(`${file} imports ${target}, which does not exist`)
      else if (roomOf(target) !== roomOf(file) && !allowed.get(roomOf(file))?.includes(roomOf(target)))
        violations.push(`${file} imports ${target}`)
  return { violations, circles: [...circlesOf(imports), ...circlesOf(allowed)] }
}

/** The files of the folder, each with the files that it imports or exports from. */
async function readImports(src: string): Promise<Graph> {
  const names = await readdir(src, { recursive: true })
  const files = names.map((name) => name.replaceAll('\\', '/')).filter((name) => name.endsWith('.ts'))
  return new Map(
    await Promise.all(
      files.map(async (file): Promise<[string, string[]]> => {
        const text = await readFile(join(src, file), 'utf8')
        const found = text.matchAll(/\b(?:from|import)\s*\(?\s*['"](\.[^'"]*)['"]/g)
        const paths = Array.from(found, ([, path = '']) => posix.join(posix.dirname(file), path))
        return [file, paths.map((path) => path.replace(/\.js$/, '.ts'))]
      }),
    ),
  )
}

/** The circles of a graph: one for each import that leads back to a node on the path to it. */
function circlesOf(graph: Graph): string[] {
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node)
    if (start >= 0) circles.push([...path.slice(start), node].join(' → '))
    if (start >= 0 || done.has(node)) return
    for (const next of graph.get(node) ?? []) visit(next, [...path, node])
    done.add(node)
  }
  for (const node of graph.keys()) visit(node, [])
  return circles
}
