import process from 'node:process'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'
import { cleanEnvironment } from './support/environment.js'

// Before any process that runs tests is started: Node reads some variables only once.
cleanEnvironment(process.env)

/** Packages are tested from their source: nothing has to be built first. */
const conditions = ['@telnyx-auth/source']

/** Tests that change a process: each file gets a worker of its own. These run first. */
const isolated = [
  // It expects that the process publishes nothing but what each test causes.
  'core/events.test.ts',
  'core/polluted-prototype.test.ts',
  'core/dpop-options.test.ts',
  'core/prototype-pollution-issuer.test.ts',
  'adapters/pollution.test.ts',
  // It replaces a method of core, and runs other files once more.
  'core/explain-corpus.test.ts',
  // The demos set the globals of OpenTelemetry, and move the clocks.
  'examples/demos.test.ts',
  // nock replaces `fetch`.
  'adapters/production.test.ts',
  // It mocks a module that other files have loaded before.
  'mock-issuer/faults.test.ts',
  // Playwright and oidc-provider use AsyncLocalStorage, which makes each promise of their process slower (Node 20).
  'interop/oidc-provider.test.ts',
  'mcp/browser.test.ts',
  'mock-issuer/browser.test.ts',
  'mock-issuer/token-page-browser.test.ts',
  // It takes long: a short file is otherwise run last, with one core idle.
  'core/cache-memory.test.ts',
]

/** Takes longer, and is for a version of a tool that is not released. */
const NEXT = 'mcp-tools/conformance-next.test.ts'

/** `pnpm soak` runs the same tests in the mode `soak`, at full length: see `support/scale.ts`; `pnpm check:mcp` runs those of `mcp-tools`, `pnpm check:runtimes` those of `runtimes`. */
/** In milliseconds. An older compiler takes a minute for all packages on a busy machine. */
const TEST_TIMEOUTS: Readonly<Record<string, number>> = { soak: 1_800_000, runtimes: 300_000 }

export default defineConfig(({ mode }) => {
  const createProject = (
    test: NonNullable<TestProjectInlineConfiguration['test']>,
  ): TestProjectInlineConfiguration => ({
    ssr: { resolve: { conditions, externalConditions: conditions } },
    resolve: { conditions },
    test: {
      // Long enough for a busy machine; a test that hangs still fails.
      testTimeout: TEST_TIMEOUTS[mode] ?? 60_000,
      hookTimeout: 120_000,
      restoreMocks: true,
      unstubEnvs: true,
      unstubGlobals: true,
      provide: { soak: mode === 'soak' },
      globalSetup: ['support/run-folder.ts'],
      setupFiles: ['support/no-network.ts', 'support/key-pool.ts'],
      ...test,
    },
  })
  if (mode === 'mcp-tools' || mode === 'mcp-tools-next')
    return {
      test: {
        projects: [
          createProject({
            name: 'mcp-tools',
            include: mode === 'mcp-tools' ? ['mcp-tools/*.test.ts'] : [NEXT],
            exclude: mode === 'mcp-tools' ? [NEXT] : [],
            globalSetup: ['support/run-folder.ts', 'mcp-tools/install.ts'],
          }),
        ],
      },
    }
  if (mode === 'runtimes')
    return {
      test: {
        projects: [
          createProject({
            name: 'runtimes',
            include: ['runtimes/*.test.ts'],
            globalSetup: ['support/run-folder.ts', 'runtimes/install.ts'],
          }),
        ],
      },
    }
  return {
    test: {
      // All cores.
      maxWorkers: '100%',
      projects: [
        // A worker runs many files, so that each module is loaded once: files must leave no state behind.
        createProject({
          name: 'shared',
          include: ['**/*.test.ts'],
          exclude: ['node_modules', 'mcp-tools', 'runtimes', ...isolated],
          isolate: false,
        }),
        createProject({ name: 'isolated', include: isolated }),
      ],
    },
  }
})
