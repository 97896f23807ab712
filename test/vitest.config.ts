import process from 'node:process'
import { defineConfig } from 'vitest/config'
import { cleanEnvironment } from './support/environment.js'

// Before any process that runs tests is started: Node reads some variables only once.
cleanEnvironment(process.env)

/** Packages are tested from their source: nothing has to be built first. */
const conditions = ['@telnyx-auth/source']

export default defineConfig({
  ssr: { resolve: { conditions, externalConditions: conditions } },
  resolve: { conditions },
  test: {
    include: ['**/*.test.ts'],
    // Some tests compute a lot, and machines are busy: what hangs is noticed late, but it is.
    testTimeout: 30_000,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    setupFiles: ['support/no-network.ts'],
  },
})
