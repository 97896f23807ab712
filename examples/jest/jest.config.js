/** Packages without a CommonJS build: `@telnyx-auth/*`, and what they depend on. */
const ES_MODULES = ['@telnyx-auth', 'jose']

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  transform: { '\\.js$': ['babel-jest', { plugins: ['@babel/plugin-transform-modules-commonjs'] }] },
  // Jest leaves all of node_modules untransformed by default. The part in the middle is for pnpm.
  transformIgnorePatterns: [`/node_modules/(?!(?:\\.pnpm/[^/]+/node_modules/)?(?:${ES_MODULES.join('|')})/)`],
}
