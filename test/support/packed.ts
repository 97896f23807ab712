import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

/** The dependencies of our packages, and the folder whose `node_modules` has each of them. */
const DEPENDENCIES = {
  jose: 'packages/core',
  hono: 'packages/mock-issuer',
  valibot: 'packages/mock-issuer',
  '@hono/node-server': 'packages/mock-issuer',
  'fastify-plugin': 'packages/fastify',
  express: 'test',
  '@types/express': 'test',
  '@types/express-serve-static-core': 'test',
  koa: 'test',
  '@koa/router': 'test',
  '@types/koa': 'test',
  fastify: 'test',
  'light-my-request': 'test',
  vitest: 'test',
  jest: 'examples/jest',
  'babel-jest': 'examples/jest',
  '@babel/plugin-transform-modules-commonjs': 'examples/jest',
  '@modelcontextprotocol/client': 'test',
  '@modelcontextprotocol/express': 'test',
  '@modelcontextprotocol/node': 'test',
  '@modelcontextprotocol/sdk': 'test',
  '@modelcontextprotocol/server': 'test',
  'prom-client': 'test',
  'express-rate-limit': 'test',
  '@fastify/rate-limit': 'test',
  'rate-limiter-flexible': 'test',
  redis: 'test',
  '@types/node': 'test',
}

/** The project of a user who has installed our packages from their tarballs. */
export class Consumer {
  readonly directory: string
  readonly #servers: ChildProcess[] = []

  private constructor(directory: string) {
    this.directory = directory
  }

  /**
   * Builds, packs and unpacks all packages into a new project. Their dependencies are linked from this workspace, so no
   * network is needed.
   */
  static async create(): Promise<Consumer> {
    await run('pnpm', ['build'], { cwd: ROOT })
    const directory = await mkdtemp(join(tmpdir(), 'telnyx-auth-consumer-'))
    const modules = join(directory, 'node_modules')
    await run('pnpm', ['--filter', './packages/*', 'pack', '--pack-destination', directory], { cwd: ROOT })
    for (const file of await readdir(directory)) {
      const name = /^telnyx-auth-(.+)-\d+\.\d+\.\d+\.tgz$/.exec(file)?.[1]
      if (name === undefined) continue
      const target = join(modules, '@telnyx-auth', name)
      await mkdir(target, { recursive: true })
      await run('tar', ['-xzf', join(directory, file), '-C', target, '--strip-components=1'])
    }
    const consumer = new Consumer(directory)
    for (const [name, home] of Object.entries(DEPENDENCIES)) await consumer.link(name, home)
    await writeFile(
      join(directory, 'package.json'),
      '{ "name": "consumer", "private": true, "type": "module" }',
    )
    return consumer
  }

  /** Installs a package, in place of another version if there is one: `source` is its name in this workspace. */
  async link(name: string, home: string, source = name): Promise<void> {
    const target = this.path('node_modules', name)
    await mkdir(dirname(target), { recursive: true })
    await rm(target, { force: true })
    await symlink(join(ROOT, home, 'node_modules', source), target)
  }

  path(...names: string[]): string {
    return join(this.directory, ...names)
  }

  async write(name: string, content: string): Promise<string> {
    await mkdir(dirname(this.path(name)), { recursive: true })
    await writeFile(this.path(name), content)
    return this.path(name)
  }

  async manifest(name: string): Promise<Record<string, unknown>> {
    return JSON.parse(await readFile(this.path('node_modules', name, 'package.json'), 'utf8'))
  }

  /** Runs a program to its end. */
  async run(
    file: string,
    env: NodeJS.ProcessEnv = {},
    args: readonly string[] = [],
  ): Promise<{ code: number; output: string }> {
    return run(process.execPath, [file, ...args], { cwd: this.directory, env }).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
    )
  }

  /** Runs a program once for each list of arguments, one after the other in one process. */
  async runEach(
    file: string,
    calls: readonly (readonly string[])[],
  ): Promise<readonly { code: number; output: string }[]> {
    const runner = fileURLToPath(new URL('run-each.mjs', import.meta.url))
    const { code, output } = await this.run(runner, {}, [file, JSON.stringify(calls)])
    if (code !== 0) throw new Error(output)
    return JSON.parse(output)
  }

  /** Starts servers in one process, and returns their URLs. They run until the project is removed. */
  async serve(files: readonly string[], env: NodeJS.ProcessEnv): Promise<readonly string[]> {
    const runner = fileURLToPath(new URL('serve-each.mjs', import.meta.url))
    // What they print on stdout is for their own users.
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const
    const child = fork(runner, files, { cwd: this.directory, env, stdio: [...stdio] })
    this.#servers.push(child)
    const [ports]: unknown[] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`The servers ended with exit code ${code}`)
      }),
    ])
    if (!Array.isArray(ports)) throw new Error('The servers reported no ports')
    return ports.map((port) => `http://127.0.0.1:${port}`)
  }

  /**
   * Compiles programs together against our declarations and those of our dependencies, strictly. Most of the time goes
   * into the declarations, which the programs share.
   *
   * @returns the errors in a program by its name, and under the empty name those outside of all programs
   */
  async compile(
    programs: Readonly<Record<string, string>>,
    environment: Record<string, unknown> = { lib: ['es2023'], types: ['node'] },
  ): Promise<(program: string) => readonly string[]> {
    const names = Object.keys(programs)
    for (const [name, source] of Object.entries(programs)) await this.write(`${name}.ts`, source)
    await this.write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: {
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          skipLibCheck: false,
          noEmit: true,
          target: 'es2023',
          module: 'nodenext',
          ...environment,
        },
        files: names.map((name) => `${name}.ts`),
      }),
    )
    // Threads do not share what they have found out of a declaration: several take twice the time of the processor.
    const flags = ['--pretty', 'false', '--singleThreaded']
    const output = await run('tsc', ['-p', this.directory, ...flags], { cwd: ROOT }).then(
      () => '',
      ({ stdout }) => String(stdout),
    )
    // An error starts at the margin; its explanation is indented.
    const errors = output.split(/\n(?=\S)/).filter((error) => error !== '')
    const programOf = (error: string) =>
      names.find((name) => error.split('\n')[0]?.includes(`/${name}.ts(`)) ?? ''
    return (program) => errors.filter((error) => programOf(error) === program)
  }

  async remove(): Promise<void> {
    for (const server of this.#servers) {
      const exited = once(server, 'exit')
      if (server.kill()) await exited
    }
    await rm(this.directory, { recursive: true })
  }
}

/** The bytes of all files below a folder, which may itself be a link. */
export async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(await realpath(folder), { recursive: true, withFileTypes: true })
  if (entries.some((entry) => entry.isSymbolicLink())) throw new Error(`There is a link in ${folder}`)
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
