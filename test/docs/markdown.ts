import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

const IGNORED = ['node_modules', 'dist', '.git']

/** All Markdown files of the repository, by their paths from its root. */
export async function markdownFiles(folder = ''): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true })
  const found = entries
    .filter(({ name }) => !IGNORED.includes(name))
    .map(async (entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return markdownFiles(path)
      return entry.name.endsWith('.md') ? [path] : []
    })
  return (await Promise.all(found)).flat().sort()
}

/** @param path from the root of the repository */
export function read(path: string): Promise<string> {
  return readFile(join(ROOT, path), 'utf8')
}

/** A block of JavaScript in a document. */
export interface Snippet {
  /** The example, or the file of a test, that the comment before the block names; `undefined` without such a comment. */
  readonly example: string | undefined
  readonly code: string
}

/** The blocks of JavaScript in a document. */
export function snippetsIn(markdown: string): Snippet[] {
  const blocks = markdown.matchAll(/(?:<!-- ((?:examples|test)\/\S+) -->\n)?```js\n(.*?)```/gs)
  return Array.from(blocks, ([, example, code = '']) => ({ example, code }))
}

/** A fenced block of a document. */
export interface Block {
  /** What follows the fence: `js`, `sh`, `text` …; empty where nothing does. */
  readonly language: string
  readonly code: string
  /** The first line of the code in the document, from 1. */
  readonly line: number
  /** The file of the repository that the comment before the block names: the block is that file, or a part of it. */
  readonly file: string | undefined
  /** Whether the block is only a part of the file: `<!-- part of examples/… -->`. */
  readonly isPart: boolean
}

/** All fenced blocks of a document, also those in lists, without their indentation. */
export function blocksIn(markdown: string): Block[] {
  const blocks = markdown.matchAll(
    /(?:^ *<!-- (part of )?([\w./-]+\/[\w./-]+\.\w+) -->\n)?^( *)```([\w-]*)[^\n]*\n(.*?)^\3```$/gms,
  )
  return Array.from(blocks, (match) => {
    const [text, part, file, indent = '', language = '', code = ''] = match
    const before = markdown.slice(0, match.index + text.indexOf('```'))
    return {
      language,
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      line: before.split('\n').length + 1,
      file,
      isPart: part !== undefined,
    }
  })
}

/** A document without its code: nothing in code is a link or a heading. */
function prose(markdown: string): string {
  return markdown
    .replace(/^ *```.*?^ *```$/gms, '')
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ' '))
}

/** The targets of the links and images in a document. */
function linksIn(markdown: string): string[] {
  const text = prose(markdown)
  const inline = text.matchAll(/\[(?:[^[\]]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)
  const references = text.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)
  return Array.from([...inline, ...references], ([, target = '']) => target)
}

/** A link of a document to a file: as written, and where it leads. */
export interface LocalLink {
  readonly link: string
  /** From the folder that has all documents. */
  readonly path: string
  readonly anchor: string
}

/**
 * The links of a document to files beside it.
 *
 * @param file its path from the folder that has all documents
 * @param home the URL under which that folder is published: links below it lead to its files as well
 */
export function localLinks(file: string, markdown: string, home?: string): LocalLink[] {
  const links = linksIn(markdown).map((link) => ({
    link,
    isHome: home !== undefined && link.startsWith(home),
  }))
  return links.flatMap(({ link, isHome }) => {
    if (!isHome && /^[a-z][a-z\d+.-]*:/i.test(link)) return []
    const [target = '', anchor = ''] = link.split('#')
    const folder = isHome ? '' : dirname(file)
    const path =
      target === '' ? file : normalize(join(folder, decodeURI(isHome ? target.slice(home?.length) : target)))
    return [{ link, path: path.replace(/\/$/, ''), anchor }]
  })
}

/**
 * The links of a document that lead to no file below the folder, or to no heading of it.
 *
 * @param root the folder that has all documents
 */
export async function brokenLinks(root: string, file: string, home?: string): Promise<string[]> {
  const broken: string[] = []
  for (const { link, path, anchor } of localLinks(file, await readFile(join(root, file), 'utf8'), home)) {
    const target = join(root, path)
    const isThere = !path.startsWith('..') && existsSync(target)
    const hasAnchor = async () =>
      path.endsWith('.md') && anchorsIn(await readFile(target, 'utf8')).has(anchor)
    if (!isThere || (anchor !== '' && !(await hasAnchor()))) broken.push(link)
  }
  return broken
}

/** The anchors of the headings in a document, as GitHub makes them. */
function anchorsIn(markdown: string): Set<string> {
  const anchors = new Set<string>()
  const counts = new Map<string, number>()
  for (const [, heading = ''] of markdown.replace(/^ *```.*?^ *```$/gms, '').matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-')
    const count = counts.get(anchor) ?? 0
    counts.set(anchor, count + 1)
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`)
  }
  return anchors
}
