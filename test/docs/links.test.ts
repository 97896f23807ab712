import { relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../packaging/workspace.js'
import { brokenLinks, localLinks, markdownFiles, ROOT, read } from './markdown.js'

/** `packaging/packed` has the same for the documents that packages ship. */

const files = await markdownFiles()

/** Shipped documents link to others by their URL. */
const HOME = root.manifest.homepage?.replace('#readme', '/blob/main/') ?? expect.fail('There is no homepage')

describe('every relative link, and every link to the repository, leads to a file, and to a heading of it', () => {
  it.each(files)('%s', async (file) => {
    expect(await brokenLinks(ROOT, file, HOME)).toEqual([])
  })
})

it('every document of core is reachable from README', async () => {
  const reached = new Set(['README.md'])
  for (const file of reached)
    for (const { path } of localLinks(file, await read(file), HOME))
      if (files.includes(path)) reached.add(path)
  const documents = files.filter((file) => !relative('packages/core/docs', file).startsWith('..'))
  expect(documents.filter((file) => !reached.has(file))).toEqual([])
})

describe('localLinks', () => {
  const links = (link: string) => localLinks('a/b.md', `[x](${link})`, 'https://example.com/main/')

  it.each([
    ['c.md#d', 'a/c.md', 'd'],
    ['../c/', 'c', ''],
    ['#d', 'a/b.md', 'd'],
    ['https://example.com/main/c/d.md#e', 'c/d.md', 'e'],
  ])('%s', (link, path, anchor) => {
    expect(links(link)).toEqual([{ link, path, anchor }])
  })

  it.each(['https://example.com/c.md', 'mailto:a@example.com'])('%s leads elsewhere', (link) => {
    expect(links(link)).toEqual([])
  })
})
