import { existsSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anchorsIn, linksIn, markdownFiles, ROOT, read } from './markdown.js'

const files = await markdownFiles()

/** What a package ships beside its code. */
const SHIPPED = /^packages\/[^/]+\/(?:README\.md|CHANGELOG\.md|LICENSE|docs\/.+|[^/]+\.(?:png|svg))$/

/** The links of a document to files of this repository: as written, and where they lead. */
async function localLinks(file: string): Promise<{ link: string; path: string; anchor: string }[]> {
  const links = linksIn(await read(file)).filter((link) => !/^[a-z][a-z\d+.-]*:/i.test(link))
  return links.map((link) => {
    const [target = '', anchor = ''] = link.split('#')
    const path = target === '' ? file : normalize(join(dirname(file), decodeURI(target)))
    return { link, path: path.replace(/\/$/, ''), anchor }
  })
}

describe('every relative link leads to a file, and to a heading of it', () => {
  it.each(files)('%s', async (file) => {
    const broken: string[] = []
    for (const { link, path, anchor } of await localLinks(file)) {
      const isInside = !path.startsWith('..') && existsSync(join(ROOT, path))
      if (!isInside) broken.push(link)
      else if (anchor !== '' && !(path.endsWith('.md') && anchorsIn(await read(path)).has(anchor)))
        broken.push(link)
    }
    expect(broken).toEqual([])
  })
})

describe('documents in packages link only to what packages ship', () => {
  it.each(files.filter((file) => SHIPPED.test(file)))('%s', async (file) => {
    const links = await localLinks(file)
    expect(links.filter(({ path }) => !SHIPPED.test(path)).map(({ link }) => link)).toEqual([])
  })
})

it('every document of core is reachable from README', async () => {
  const reached = new Set(['README.md'])
  for (const file of reached)
    for (const { path } of await localLinks(file)) if (files.includes(path)) reached.add(path)
  const documents = files.filter((file) => !relative('packages/core/docs', file).startsWith('..'))
  expect(documents.filter((file) => !reached.has(file))).toEqual([])
})
