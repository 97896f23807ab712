// What the packed tarballs hold, how large they are, and what they depend on: node .ci/check-tarballs.js <folder of the tarballs>
// The limits are in budgets.json. They leave some room; a larger one is a decision, and is made in that file.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NEEDED = ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']
const ALLOWED =
  /^(package\.json|README\.md|LICENSE|consent-page\.png|token-page\/[a-z-]+\.(css|html|js)|docs\/([a-z-]+\/)?([a-z0-9-]+|README)\.md|(dist\/([a-z0-9-]+\/)*[a-z0-9-]+\.(js|js\.map|d\.ts))|(src\/([a-z0-9-]+\/)*[a-z0-9-]+\.ts))$/

const [folder = '.'] = process.argv.slice(2)
const budgets = JSON.parse(readFileSync(new URL('budgets.json', import.meta.url), 'utf8'))
const names = readdirSync(join(ROOT, 'packages')).filter((name) =>
  existsSync(join(ROOT, 'packages', name, 'package.json')),
)
const problems = Object.keys(budgets)
  .filter((name) => !names.includes(name))
  .map((name) => `budgets.json has limits for ${name}, which is no package`)
for (const name of names) problems.push(...problemsOf(name).map((problem) => `${name}: ${problem}`))
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1

/** @param {string} name of the folder of a package */
function problemsOf(name) {
  const found = readdirSync(folder).filter(
    (file) => file.replace(/-\d.*\.tgz$/, '') === `telnyx-auth-${name}`,
  )
  if (found.length !== 1) return [`there are ${found.length} tarballs`]
  const tarball = join(folder, found[0])
  const unpacked = mkdtempSync(join(tmpdir(), 'telnyx-auth-tarball-'))
  try {
    execFileSync('tar', ['-xzf', tarball, '-C', unpacked, '--strip-components=1'])
    const files = readdirSync(unpacked, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(unpacked.length + 1))
    const bytes = files.reduce((sum, file) => sum + statSync(join(unpacked, file)).size, 0)
    const manifest = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'))
    return [
      ...NEEDED.filter((file) => !files.includes(file)).map((file) => `${file} is missing`),
      ...files.filter((file) => !ALLOWED.test(file)).map((file) => `${file} does not belong there`),
      ...mapProblems(unpacked, files, budgets[name]?.sources !== false),
      ...budgetProblems(name, {
        packedKiB: Math.ceil(statSync(tarball).size / 1024),
        unpackedKiB: Math.ceil(bytes / 1024),
        dependencies: Object.keys(manifest.dependencies ?? {}),
      }),
    ]
  } finally {
    rmSync(unpacked, { recursive: true })
  }
}

/** Every source map leads to sources that are in the tarball. Without sources, which budgets.json has to allow, there is no map. */
function mapProblems(unpacked, files, hasSources) {
  const problems = []
  if (hasSources !== files.some((file) => file.startsWith('src/')))
    problems.push(`it ${hasSources ? 'must' : 'must not'} ship its sources`)
  for (const file of files.filter((name) => /^dist\/.*\.js$/.test(name))) {
    const [, map] = /^\/\/# sourceMappingURL=(.+)$/m.exec(readFileSync(join(unpacked, file), 'utf8')) ?? []
    if (map ? !files.includes(join(dirname(file), map)) : hasSources)
      problems.push(`${file} has no source map`)
  }
  for (const file of files.filter((name) => name.endsWith('.map'))) {
    const { sources, sourceRoot = '' } = JSON.parse(readFileSync(join(unpacked, file), 'utf8'))
    const paths = sources.map((source) => join(dirname(file), sourceRoot, source))
    if (paths.length === 0) problems.push(`${file} leads to no source`)
    for (const path of paths.filter((each) => !files.includes(each)))
      problems.push(`${file} leads to ${path}, which is not in the tarball`)
  }
  return problems
}

function budgetProblems(name, actual) {
  const budget = budgets[name]
  if (!budget) return [`there are no limits in budgets.json; now it has ${JSON.stringify(actual)}`]
  const problems = ['packedKiB', 'unpackedKiB']
    .filter((key) => actual[key] > budget[key])
    .map((key) => `${actual[key]} ${key}, and the limit is ${budget[key]}`)
  if (actual.dependencies.join() !== budget.dependencies.join())
    problems.push(`it depends on ${actual.dependencies}, and is allowed ${budget.dependencies}`)
  return problems
}
