import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../docs/markdown.js'

const FOLDER = join(ROOT, 'test/node_modules')

/** A file of an installed package. */
export function installedFile(name: string, path: string): string {
  return readFileSync(join(FOLDER, name, path), 'utf8')
}

/** The version of a package that is installed for the tests. */
export function installedVersion(name: string): string {
  if (!existsSync(join(FOLDER, name))) throw new Error(`${name} is not installed`)
  const manifest: unknown = JSON.parse(installedFile(name, 'package.json'))
  return String(Object(manifest).version)
}
