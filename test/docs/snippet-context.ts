/** What a fragment of code in a document may use without declaring it. */

/** The packages whose exports a document uses without importing them, by the folder of the document. */
const PACKAGES: readonly (readonly [folder: string, names: readonly string[]])[] = [
  ['packages/fastify/', ['@telnyx-auth/fastify']],
  ['packages/koa/', ['@telnyx-auth/koa']],
  ['packages/hono/', ['@telnyx-auth/hono']],
  ['packages/mcp/', ['@telnyx-auth/mcp/express', '@telnyx-auth/mcp']],
  ['packages/', ['@telnyx-auth/express']],
  ['', ['@telnyx-auth/express']],
]

export function packagesOf(document: string): readonly string[] {
  return PACKAGES.find(([folder]) => document.startsWith(folder))?.[1] ?? []
}

/** The types of what belongs to the reader's own program. Each document uses these names in one meaning. */
const TYPES: Readonly<Record<string, string>> = {
  app: `import('express').Express`,
  handler: `import('express').RequestHandler`,
  verifier: `import('@telnyx-auth/core').Verifier`,
  request: `Request`,
  token: `string`,
  socket: `import('node:events').EventEmitter & { close(code: number, reason: string): void }`,
  issuer: `import('@telnyx-auth/mock-issuer').MockIssuer`,
  client: `import('redis').RedisClientType`,
  createReplayStore: `typeof import('@telnyx-auth/redis').createReplayStore`,
  logger: `Console`,
  apiKey: `() => Promise<string>`,
  signatures: `import('prom-client').Counter`,
  createServer: `typeof import('node:http').createServer`,
  // Not that of the SDK, whose types are the largest of all.
  transport: `{ handleRequest(req: unknown, res: unknown, body?: unknown): Promise<void> }`,
  createApp: `(options: import('@telnyx-auth/express').TelnyxAuthOptions) => import('express').Express`,
  createMockIssuer: `typeof import('@telnyx-auth/mock-issuer').createMockIssuer`,
}

/** Where a name means something else than above. */
const OTHER_TYPES: readonly (readonly [folder: string, types: Readonly<Record<string, string>>])[] = [
  ['packages/fastify/', { app: `import('fastify').FastifyInstance` }],
  [
    'packages/core/docs/adapters.md',
    {
      core: `typeof import('@telnyx-auth/core/adapter')`,
      decide: `import('@telnyx-auth/core/adapter').Authenticator['authenticate']`,
      authenticator: `import('@telnyx-auth/core/adapter').Authenticator`,
      guardsOfRoute: `readonly import('@telnyx-auth/core/adapter').Authorize[]`,
      handle: `import('@telnyx-auth/core/adapter').RequestHandle`,
      handlersOf: `(request: import('express').Request) => readonly unknown[]`,
      request: `import('express').Request`,
      response: `import('express').Response`,
      next: `import('express').NextFunction`,
      HttpException: `new (response: unknown, status: number) => Error`,
    },
  ],
]

export function typesIn(document: string): Readonly<Record<string, string>> {
  return Object.assign(
    {},
    TYPES,
    ...OTHER_TYPES.filter(([folder]) => document.startsWith(folder)).map(([, types]) => types),
  )
}
