import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import process from 'node:process'
import type { Readable } from 'node:stream'
import { rolldown } from 'rolldown'
import type { Consumer } from '../support/packed.js'
import { BINARIES } from './install.js'

/** The runtimes that are tried, each with the column of the table in `runtimes.md` that says what works there. */
export const RUNTIMES = {
  [`Node ${process.versions.node.split('.', 1)}, which runs the tests`]: 'Node',
  'Node 22': 'Node',
  'Node 24': 'Node',
  'Node 26': 'Node',
  Bun: 'Bun',
  Deno: 'Deno',
  workerd: 'workerd',
} as const satisfies Record<string, string>

/** An application that runs in a process of another runtime. */
export interface RunningApp {
  readonly url: string
  /** What it has written to its output. */
  readonly log: () => string
  stop(): Promise<void>
}

/** The compatibility date of the worker: since 2026-08-04, `nodejs_compat` is part of it. */
const WORKERD_DATE = '2026-11-01'

/** The permissions that Deno needs to give. */
const DENO = ['run', '--no-prompt', '--node-modules-dir=manual', '--allow-net', '--allow-env', '--allow-read']

/**
 * Starts the application of `app.mjs`, which a consumer has beside the unpacked tarballs.
 *
 * @param variables the environment of the application
 */
export async function startApp(
  runtime: string,
  consumer: Consumer,
  variables: Readonly<Record<string, string>>,
): Promise<RunningApp> {
  // Deno and Bun keep what they have compiled.
  const home = await mkdtemp(consumer.path('home-'))
  const env = { ...variables, HOME: home, DENO_DIR: home, DENO_NO_UPDATE_CHECK: '1' }
  const start = (file: string, ...args: string[]) =>
    spawn(file, args, { cwd: consumer.directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let child: ChildProcess & { readonly stdout: Readable; readonly stderr: Readable }
  if (runtime === 'workerd') {
    const config = await writeWorker(consumer, variables)
    child = start(BINARIES.workerd, 'serve', config, '--control-fd=1')
  } else if (runtime === 'Deno') child = start(BINARIES.Deno, ...DENO, 'serve.mjs')
  else if (runtime === 'Bun') child = start(BINARIES.Bun, 'run', '--no-install', 'serve.mjs')
  else child = start(new Map(Object.entries(BINARIES)).get(runtime) ?? process.execPath, 'serve.mjs')

  let log = ''
  const exited = once(child, 'exit')
  // The application prints its port alone, workerd `{"event":"listen", …}`. Both streams are read to their end, or they would block.
  const port = await new Promise<string>((resolve, reject) => {
    for (const output of [child.stdout, child.stderr])
      output.setEncoding('utf8').on('data', (piece: string) => {
        log += piece
        const [, found] = /^(?:\{.*"port":)?(\d+)\}?$/m.exec(log) ?? []
        if (found !== undefined) resolve(found)
      })
    exited.then(() => reject(new Error(`${runtime} has ended: ${log}`)))
  })
  return {
    url: `http://127.0.0.1:${port}`,
    log: () => log,
    async stop() {
      if (child.kill('SIGKILL')) await exited
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Bundles the application into one file, as the tools for workers do, and configures a worker. */
async function writeWorker(consumer: Consumer, variables: Readonly<Record<string, string>>): Promise<string> {
  const bundle = await rolldown({
    input: consumer.path('worker.mjs'),
    external: /^(?:node|cloudflare):/,
    platform: 'browser',
    resolve: { conditionNames: ['workerd', 'worker', 'browser', 'import', 'default'] },
  })
  await bundle.write({ file: consumer.path('worker-bundle.js') })
  await bundle.close()
  const bindings = Object.entries(variables).map(
    ([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`,
  )
  return consumer.write(
    'worker.capnp',
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "worker-bundle.js")],
      compatibilityDate = "${WORKERD_DATE}",
      bindings = [${bindings.join(', ')}],
    )),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  )
}
