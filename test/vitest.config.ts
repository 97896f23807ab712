import process from 'node:process'
import { defineConfig } from 'vitest/config'
import { cleanEnvironment } from './support/environment.js'

// Before any process that runs tests is started: Node reads some variables only once.
cleanEnvironment(process.env)

/** Packages are tested from their source: nothing has to be built first. */
const conditions = ['@telnyx-auth/source']

/** `pnpm soak` runs the same tests with the mode `soak`: see `support/scale.ts`. */
export default defineConfig(({ mode }) => ({
  ssr: { resolve: { conditions, externalConditions: conditions } },
  resolve: { conditions },
  test: {
    include: ['**/*.test.ts'],
    // Long enough for a busy machine; a test that hangs still fails.
    testTimeout: mode === 'soak' ? 1_800_000 : 60_000,
    hookTimeout: 120_000,
    // All cores. A worker runs many files, so each module is loaded once: files must leave no state behind.
    maxWorkers: '100%',
    isolate: false,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    provide: { soak: mode === 'soak' },
    globalSetup: ['support/run-folder.ts'],
    setupFiles: ['support/no-network.ts'],
  },
}))
