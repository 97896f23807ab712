import { createRequire } from 'node:module'
import { expect, it } from 'vitest'

/** The tests of the example run in Jest in `test/packaging`, and where pnpm installs in `examples/jest`. */

const { transformIgnorePatterns }: { transformIgnorePatterns: readonly string[] } = createRequire(
  import.meta.url,
)('../../examples/jest/jest.config.js')

it.each([
  ['npm', '/app/node_modules/@telnyx-auth/core/dist/index.js', true],
  ['npm, nested', '/app/node_modules/@telnyx-auth/mock-issuer/node_modules/jose/dist/index.js', true],
  ['npm, nested in another package', '/app/node_modules/other/node_modules/jose/dist/index.js', true],
  ['pnpm', '/app/node_modules/.pnpm/jose@6.1.0/node_modules/jose/dist/index.js', true],
  ['another package', '/app/node_modules/express/index.js', false],
  ['another package, nested in ours', '/app/node_modules/@telnyx-auth/x/node_modules/other/a.js', false],
  ['a name that begins like one', '/app/node_modules/jose-other/index.js', false],
  ['the project', '/app/routes.test.js', true],
])('Jest transforms ES modules, and nothing else of node_modules: %s', (_, path, isTransformed) => {
  const isIgnored = transformIgnorePatterns.some((pattern) => new RegExp(pattern).test(path))
  expect(!isIgnored).toBe(isTransformed)
})
