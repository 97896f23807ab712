// What users install beside our packages has a licence that lets them: node .ci/check-licences.js
// pnpm reads the licences. What only developers install is listed as well, because nothing of it is passed on.
import { execFileSync } from 'node:child_process'

/** Licences (SPDX) that ask for no more than to be named. */
const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT']

/** The packages below a licence, by its name. */
function licences(...flags) {
  const output = execFileSync('pnpm', ['licenses', 'list', '--json', '--recursive', ...flags], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return Object.entries(JSON.parse(output)).map(([licence, packages]) => ({
    licence,
    packages: packages.flatMap(({ name, versions }) => versions.map((version) => `${name}@${version}`)),
  }))
}

const ofUsers = licences('--prod', '--filter', './packages/*')
const counts = licences().map(({ licence, packages }) => `${licence} ${packages.length}`)
for (const { licence, packages } of ofUsers) console.log(`${licence}: ${packages.join(', ')}`)
console.log(`With all that developers install: ${counts.join(', ')}`)

const refused = ofUsers.filter(({ licence }) => !ALLOWED.includes(licence))
for (const { licence, packages } of refused)
  console.error(`${packages.join(', ')}: the licence ${licence} is not on the list of check-licences.js`)
// Without a package, nothing was checked.
if (refused.length > 0 || ofUsers.length === 0) process.exitCode = 1
