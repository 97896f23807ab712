import { type Block, blocksIn, markdownFiles, read } from './markdown.js'

/** A fragment of JavaScript or TypeScript in a document, which is no file of its own. */
export interface Fragment extends Block {
  readonly document: string
  /** `packages/core/docs/options.md:90`, as a terminal makes a link of it. */
  readonly place: string
}

/** Each code's example has a test of its own, which runs it. */
const ELSEWHERE = /^packages\/core\/docs\/errors\.md$/

/** The fragments of all documents. */
export async function fragments(): Promise<Fragment[]> {
  const documents = (await markdownFiles()).filter((document) => !ELSEWHERE.test(document))
  const found = documents.map(async (document) =>
    blocksIn(await read(document))
      .filter(({ language, file }) => ['js', 'ts'].includes(language) && file === undefined)
      .map((block) => ({ ...block, document, place: `${document}:${block.line}` })),
  )
  return (await Promise.all(found)).flat()
}

/** A fragment in two parts: its imports, and the rest at its lines. */
export interface Parts {
  readonly imports: readonly string[]
  readonly body: string
}

const IMPORT = /^import\b[^'"]*['"][^'"\n]+['"].*$/gm

export function partsOf(code: string): Parts {
  const imports = Array.from(code.matchAll(IMPORT), ([text]) =>
    text.replace(/ \/\/.*$/, '').replaceAll('\n', ' '),
  )
  return { imports, body: code.replaceAll(IMPORT, (text) => '\n'.repeat(text.split('\n').length - 1)) }
}

/** The names that imports bring. */
export function importedNames(imports: readonly string[]): string[] {
  return imports.flatMap((text) => {
    const [clause = ''] = text.replace(/^import\s+(?:type\s+)?/, '').split(/\bfrom\b/)
    return Array.from(clause.matchAll(/(?:\w+\s+as\s+)?(\w+)/g), ([, name = '']) => name)
  })
}

/** Whether code has a name as a word of its own, and not as a member of something. */
export function mentions(code: string, name: string): boolean {
  return new RegExp(`(?<![.\\w'"])${name}\\b(?!['"])`).test(code.replaceAll('...', ''))
}
