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

/** A page of the API reference has the name of its entry point. */
const REFERENCE = /^packages\/core\/docs\/reference\/(.+)\.md$/

export function packagesOf(document: string): readonly string[] {
  const [, entry] = REFERENCE.exec(document) ?? []
  if (entry !== undefined) return [`@telnyx-auth/${entry}`]
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

/** What the documents about adapters name: the parts of an adapter for Express. */
const ADAPTER_TYPES: Readonly<Record<string, string>> = {
  authenticator: `import('@telnyx-auth/core/adapter').Authenticator`,
  handle: `import('@telnyx-auth/core/adapter').RequestHandle`,
  request: `import('express').Request`,
  response: `import('express').Response`,
  next: `import('express').NextFunction`,
}

/** Where a name means something else than above. */
const OTHER_TYPES: readonly (readonly [folder: string, types: Readonly<Record<string, string>>])[] = [
  ['packages/fastify/', { app: `import('fastify').FastifyInstance` }],
  [
    'packages/core/docs/adapters.md',
    {
      ...ADAPTER_TYPES,
      core: `typeof import('@telnyx-auth/core/adapter')`,
      decide: `import('@telnyx-auth/core/adapter').Authenticator['authenticate']`,
      guardsOfRoute: `readonly import('@telnyx-auth/core/adapter').Authorize[]`,
      handlersOf: `(request: import('express').Request) => readonly unknown[]`,
      HttpException: `new (response: unknown, status: number) => Error`,
    },
  ],
  [
    'packages/core/docs/reference/core/adapter.md',
    {
      ...ADAPTER_TYPES,
      ctx: `import('koa').Context`,
      fastify: `import('fastify').FastifyInstance`,
      handleOf: `(c: import('hono').Context) => import('@telnyx-auth/core/adapter').RequestHandle`,
      middleware: `(decide: import('@telnyx-auth/core/adapter').Authenticator['authenticate']) => import('express').RequestHandler`,
      reply: `import('fastify').FastifyReply`,
    },
  ],
  [
    'packages/core/docs/reference/core.md',
    {
      database: `{ insertIfAbsent(key: string, row: { expiresAt: number }): Promise<boolean> }`,
      tokenOfSession: `(request: import('@telnyx-auth/core').AuthenticatableRequest) => string | undefined`,
    },
  ],
  [
    'packages/core/docs/reference/mcp/hono.md',
    { handler: `{ fetch(request: Request, options: object): Promise<Response> }` },
  ],
  ['packages/core/docs/reference/mock-issuer.md', { url: `string` }],
]

export function typesIn(document: string): Readonly<Record<string, string>> {
  return Object.assign(
    {},
    TYPES,
    ...OTHER_TYPES.filter(([folder]) => document.startsWith(folder)).map(([, types]) => types),
  )
}
