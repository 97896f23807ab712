import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The workspace of the tests, where ours and the peers are installed. */
const HOME = fileURLToPath(new URL('../..', import.meta.url))

export function versionOf(name: string): string {
  return readManifest(folderOf(name, HOME)).version
}

/** What installing packages brings along. */
export interface Installed {
  readonly packages: number
  readonly bytes: number
}

/** Each package once, however many need it. */
export function measureInstalled(names: readonly string[]): Installed {
  const folders = new Set<string>()
  const visit = (name: string, from: string): void => {
    const folder = folderOf(name, from)
    if (folders.has(folder)) return
    folders.add(folder)
    for (const dependency of Object.keys(readManifest(folder).dependencies ?? {})) visit(dependency, folder)
  }
  for (const name of names) visit(name, HOME)
  const bytes = [...folders].reduce((sum, folder) => sum + sizeOf(folder), 0)
  return { packages: folders.size, bytes }
}

/** As Node looks for it: beside, and then further up. */
function folderOf(name: string, from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(candidate)) return realpathSync(candidate)
    if (folder === dirname(folder)) throw new Error(`${name} is not installed`)
  }
}

function readManifest(folder: string): { version: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

function sizeOf(folder: string): number {
  // Ours are linked from this workspace: only what is packed counts.
  const ours = existsSync(join(folder, 'tsconfig.json')) && existsSync(join(folder, 'src'))
  const files = ours
    ? ['package.json', 'README.md', '../../LICENSE', ...filesOf(folder, 'dist'), ...documentsOf(folder)]
    : filesOf(folder, '')
  return files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
}

function documentsOf(folder: string): string[] {
  return existsSync(join(folder, 'docs')) ? filesOf(folder, 'docs') : []
}

function filesOf(folder: string, below: string): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    if (entry.name === 'node_modules' || entry.name === '.tsbuildinfo') return []
    return entry.isDirectory() ? filesOf(folder, path) : [path]
  })
}
