import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { filesIn, type Manifest, packages, path, read, root, unpublished } from './workspace.js'

/** `owner/name` on GitHub. The root manifest is the one place that defines it. */
const repository = /^git\+https:\/\/github\.com\/([\w.-]+\/[\w.-]+)\.git$/.exec(
  root.manifest.repository?.url ?? '',
)?.[1]
const home = `https://github.com/${repository}`

describe('manifests', () => {
  it('the root names a repository on GitHub', () => {
    expect(repository).toBeDefined()
    expect(root.manifest).toMatchObject({ homepage: `${home}#readme`, bugs: `${home}/issues`, private: true })
  })

  it.each([...packages, ...unpublished])(
    '$folder names the repository of the root and its own folder',
    ({ folder, manifest }) => {
      expect(manifest).toMatchObject({
        homepage: `${home}/tree/main/${folder}#readme`,
        bugs: `${home}/issues`,
        repository: { type: 'git', url: `git+${home}.git`, directory: folder },
        author: 'The telnyx-auth authors',
      })
    },
  )

  it.each(packages)('$folder is published publicly, with the version of the root', ({ manifest }) => {
    expect(manifest).toMatchObject({
      version: root.manifest.version,
      license: 'MIT',
      publishConfig: { access: 'public' },
    })
    expect(manifest.private).toBeUndefined()
  })

  it.each(packages)('$folder says what it is, and shows a program that is tested', ({ folder, manifest }) => {
    expect(manifest.description).toMatch(/^[A-Z].{20,}[^.]$/)
    expect(manifest.keywords).toEqual(expect.arrayContaining(['telnyx', 'oauth2']))
    expect(new Set(manifest.keywords).size).toBeGreaterThanOrEqual(6)
    // test/docs compares it with the file, and packed.test.ts runs that. test/cli runs what the command prints.
    expect(read(`${folder}/README.md`)).toMatch(/^<!-- (?:examples\/\S+ -->\n```js|explain -->\n```text)$/m)
  })

  it.each(packages)('$folder publishes its exports without the condition for its source', ({ manifest }) => {
    expect(manifest.publishConfig?.exports).toEqual(withoutSource(manifest.exports))
  })

  it.each(unpublished)('$folder is private and has no version', ({ manifest }) => {
    expect([manifest.private, manifest.version]).toEqual([true, undefined])
  })
})

describe('releases', () => {
  it('the changelog begins with the current version', () => {
    expect(/^## (.+)$/m.exec(read('CHANGELOG.md'))?.[1]).toBe(root.manifest.version)
  })

  it('every changeset is for all packages, or its text would not reach the changelog', () => {
    const changesets = filesIn('.changeset').filter((file) => /\/(?!README)[^/]+\.md$/.test(file))
    for (const file of changesets)
      expect(read(file), file).toMatch(/^---\n(['"])telnyx-auth\1: (patch|minor|major)\n---\n\n\S/)
  })

  const automation = filesIn('.github').filter((file) => file.endsWith('.yml'))

  it.each(automation)('%s uses each action at a commit, with its version in a comment', (file) => {
    for (const [, action] of read(file).matchAll(/\buses: (.+)/g))
      expect(action).toMatch(/^(\.\/\.github\/.+|[\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/)
  })

  it.each(filesIn('.github/workflows'))('%s grants nothing but reading by default', (file) => {
    expect(read(file)).toMatch(/^permissions:( \{\}|\n {2}contents: read)\n\n/m)
  })

  it.each(filesIn('.github'))('%s names the repository of the root', (file) => {
    const ours = /https:\/\/github\.com\/([\w.-]+\/[\w.-]+)|github\.repository == '([^']+)'/g
    for (const [, url, condition] of read(file).matchAll(ours)) expect(url ?? condition).toBe(repository)
  })
})

describe('the lock file', () => {
  it('names no registry and no other host', () => {
    expect(read('pnpm-lock.yaml')).not.toMatch(/\btarball:|https?:\/\//)
  })

  it('is the only one', () => {
    const others = ['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'bun.lock', 'bun.lockb']
    const folders = ['.', ...[...packages, ...unpublished].map(({ folder }) => folder)]
    const found = folders.flatMap((folder) => others.map((name) => `${folder}/${name}`))
    expect(found.filter((file) => existsSync(path(file)))).toEqual([])
  })
})

/** What a package exports to the world: development alone uses the source. */
function withoutSource(exports: Manifest['exports'] = {}): Manifest['exports'] {
  return Object.fromEntries(
    Object.entries(exports).map(([entry, target]) => {
      if (typeof target === 'string') return [entry, target]
      const { '@telnyx-auth/source': _, ...published } = target
      return [entry, published]
    }),
  )
}
