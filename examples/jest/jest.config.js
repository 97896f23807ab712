/** Packages without a CommonJS build: `@telnyx-auth/*`, and what they depend on. */
const ES_MODULES = ['@telnyx-auth', 'jose']

/** ES modules become CommonJS. Your CommonJS files stay as they are. */
const babel = { plugins: ['@babel/plugin-transform-modules-commonjs'], sourceType: 'unambiguous' }

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  transform: { '\\.js$': ['babel-jest', babel] },
  // By default, Jest transforms nothing in node_modules. The part in the middle is for pnpm, and for nested packages.
  transformIgnorePatterns: [`/node_modules/(?!(?:.*/node_modules/)?(?:${ES_MODULES.join('|')})/)`],
}
