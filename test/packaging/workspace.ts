import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = new URL('../../', import.meta.url)

/** The members of a `package.json` that tests of this folder read. */
export interface Manifest {
  readonly name: string
  readonly version?: string
  readonly description?: string
  readonly keywords?: readonly string[]
  readonly private?: boolean
  readonly homepage?: string
  readonly repository?: { readonly url?: string }
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly publishConfig?: { readonly access?: string; readonly exports?: Manifest['exports'] }
}

/** A folder of the workspace, relative to the root, with its manifest. */
export interface Project {
  readonly folder: string
  readonly manifest: Manifest
}

/** The path of a file, given relative to the root of the repository. */
export function path(file: string): string {
  return fileURLToPath(new URL(file, ROOT))
}

export function read(file: string): string {
  return readFileSync(path(file), 'utf8')
}

/** The files below a folder, relative to the root of the repository. */
export function filesIn(folder: string): string[] {
  return readdirSync(path(folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.\w+$/.test(name))
    .map((name) => `${folder}/${name}`)
    .sort()
}

function project(folder: string): Project {
  const manifest: Manifest = JSON.parse(read(`${folder}/package.json`))
  return { folder, manifest }
}

function projectsIn(folder: string): Project[] {
  return readdirSync(path(folder))
    .map((name) => `${folder}/${name}`)
    .filter((name) => existsSync(path(`${name}/package.json`)))
    .sort()
    .map(project)
}

export const root: Project = project('.')

/** What is published. */
export const packages: readonly Project[] = projectsIn('packages')

/** What is not: the examples and the tests. */
export const unpublished: readonly Project[] = [...projectsIn('examples'), project('test')]
