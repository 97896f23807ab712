/** Programs of consumers that have to compile, strictly, together with the declarations of the framework. */
export const RIGHT: Readonly<Record<string, string>> = {
  express: `
    import { type Auth, createVerifier, getAuth, type Middleware, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
    import express from 'express'

    const app = express()
    app.use(telnyxAuth({ audience: process.env.AUDIENCE, issuer: process.env.ISSUER }))
    app.use('/v1', express.Router().use(telnyxAuth({ verifier: createVerifier<{ tenant: string }>(), scopes: ['a'], optional: true })))
    const guards: Middleware[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    app.get('/', guards, requireAuth({ anyScope: ['a', 'b'] }), (req: express.Request, res: express.Response) => {
      const subject: string | undefined = req.auth?.subject
      const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(req)
      // @ts-expect-error: it is what it is declared to be, and no more
      req.auth?.nothing
      res.json([subject, auth.claims.tenant, auth.hasScopes('a')])
    })
    app.get<{ id: string }>('/users/:id', requireScopes('a'), (req, res) => void res.json(req.params.id))
  `,
  koa: `
    import Router from '@koa/router'
    import { type Auth, createVerifier, getAuth, type Middleware, requireAuth, requireScopes, telnyxAuth, type TelnyxAuthState } from '@telnyx-auth/koa'
    import Koa from 'koa'

    // Typed through the middleware, also with state of the application.
    new Koa<{ requestId: string }>()
      .use(telnyxAuth<{ tenant: string }>({ audience: process.env.AUDIENCE, issuer: process.env.ISSUER }))
      .use(requireScopes('a'))
      .use((ctx) => {
        const tenant: string | undefined = ctx.state.auth?.claims.tenant
        const requestId: string = ctx.state.requestId
        // @ts-expect-error: it is what it is declared to be, and no more
        ctx.state.auth?.nothing
        const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(ctx)
        ctx.body = [tenant, requestId, auth.hasScopes('a')]
      })

    const app = new Koa()
    app.use(telnyxAuth({ verifier: createVerifier(), scopes: ['a'], optional: true }))
    const typed = new Koa<TelnyxAuthState>()
    typed.use(telnyxAuth())
    typed.use((ctx) => {
      const subject: string | undefined = ctx.state.auth?.subject
      ctx.body = subject
    })
    const guards: Middleware[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    const router = new Router()
    router.use(telnyxAuth())
    router.get('/', ...guards, requireAuth({ anyScope: ['a', 'b'] }), (ctx) => {
      ctx.body = getAuth(ctx).subject
    })
    new Router<{ requestId: string }>().get('/', telnyxAuth(), requireScopes('a'), (ctx) => {
      ctx.body = ctx.state.requestId
    })
    const middlewares: Koa.Middleware<{ requestId: string }>[] = [telnyxAuth(), requireScopes('a')]
    new Koa<{ requestId: string }>().use(middlewares[0] ?? telnyxAuth())
    app.use(router.routes())
  `,
  fastify: `
    import { type Auth, createVerifier, getAuth, type Hook, requireAuth, requireScopes, telnyxAuth, type TelnyxAuthOptions } from '@telnyx-auth/fastify'
    import fastify, { type FastifyInstance, type FastifyPluginAsync, type onRequestHookHandler, type preHandlerHookHandler, type RouteShorthandOptions } from 'fastify'
    import { readFileSync } from 'node:fs'

    declare module 'fastify' {
      interface FastifyContextConfig { role?: string }
    }

    interface MyClaims { org: string }
    const app = fastify({ logger: true })
    await app.register(telnyxAuth, { audience: process.env.AUDIENCE, issuer: process.env.ISSUER })
    await app.register(telnyxAuth)
    app.register(telnyxAuth, { verifier: createVerifier(), scopes: ['a'], optional: true, global: false })
    const hooks: Hook[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    app.get('/', { onRequest: hooks, preHandler: requireAuth({ anyScope: ['a', 'b'] }), config: { mine: 1 } }, async (request) => {
      const subject: string | undefined = request.auth?.subject
      const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(request)
      // @ts-expect-error: it is what it is declared to be, and no more
      request.auth?.nothing
      return [subject, auth.claims.tenant, auth.hasScopes('a'), request.routeOptions.config.mine]
    })
    app.get<{ Params: { id: string } }>('/users/:id', { onRequest: requireScopes('a') }, (request, reply) => {
      reply.send(request.params.id)
    })
    app.get<{ Params: { id: string } }>('/2/:id', { preHandler: [requireScopes('a'), requireAuth()], config: { role: 'x' } }, async (request) => request.params.id)
    app.route<{ Querystring: { q: string } }>({ method: 'GET', url: '/q', onRequest: requireScopes('a'), handler: async (request) => request.query.q })
    const named: [onRequestHookHandler, preHandlerHookHandler] = [requireScopes('a'), requireAuth()]
    const route: RouteShorthandOptions = { onRequest: requireScopes('a'), preHandler: [...named] }
    app.get('/named', route, async () => 'x')
    app.register(telnyxAuth, { verifier: createVerifier<MyClaims>({ validate: (auth) => auth.claims.org === 'x' }) })
    const options: TelnyxAuthOptions = { validate: (auth) => auth.claims.org === 'x', global: false }
    app.register(telnyxAuth, options)
    const plugin: FastifyPluginAsync = async (child: FastifyInstance) => {
      await child.register(telnyxAuth, { audience: 'urn:api' })
      child.addHook('onRequest', requireAuth())
    }
    app.register(plugin, { prefix: '/v1' })

    const secure = fastify({ http2: true, https: { key: readFileSync('key'), cert: readFileSync('cert') } })
    secure.get('/', { onRequest: requireScopes('a') }, async (request) => getAuth(request).subject)
  `,
  hono: `
    import { type Auth, createVerifier, getAuth, requireAuth, requireScopes, telnyxAuth, type TelnyxAuthOptions } from '@telnyx-auth/hono'
    import { Hono, type MiddlewareHandler } from 'hono'

    const app = new Hono<{ Variables: { requestId: string } }>()
    app.use(telnyxAuth({ audience: process.env.AUDIENCE, issuer: process.env.ISSUER }))
    app.use('/v1/*', telnyxAuth({ verifier: createVerifier<{ tenant: string }>(), scopes: ['a'], optional: true }))
    const guards: MiddlewareHandler[] = [requireScopes('a'), requireAuth({ acrValues: ['urn:gold'], maxAgeSeconds: 300 })]
    app.use('/x', ...guards)
    app.get('/users/:id', requireAuth({ anyScope: ['a', 'b'] }), (c) => {
      const subject: string | undefined = c.var.auth?.subject
      const requestId: string = c.var.requestId
      const auth: Auth<{ tenant: string }> = getAuth<{ tenant: string }>(c)
      // @ts-expect-error: it is what it is declared to be, and no more
      c.var.auth?.nothing
      return c.json([subject, requestId, auth.claims.tenant, auth.hasScopes('a'), c.req.param('id')])
    })
    const chained = new Hono().use(telnyxAuth()).get('/', (c) => c.json(c.get('auth')?.scopes ?? []))
    const options: TelnyxAuthOptions<{ org: string }> = {
      getToken: (request) => request.headers.get('x-access-token') ?? undefined,
      validate: (auth) => auth.claims.org === 'x',
    }
    app.route('/inner', chained.use(telnyxAuth(options)))
  `,
  'mock-issuer': `
    import { generateKeyPairSync } from 'node:crypto'
    import { channels, createVerifier, type Events, type Verifier, watch } from '@telnyx-auth/core'
    import { type Client, type ClientSeed, createDpopProof, createMockIssuer, type DpopProofOptions, type Endpoint, type Grant, type GrantType, type ProofKey } from '@telnyx-auth/mock-issuer'

    const seed: ClientSeed = { clientId: 'app', clientType: 'public', grantTypes: ['authorization_code'], logoUri: undefined }
    const issuer = await createMockIssuer({ algorithm: 'EdDSA', clients: [seed], grants: [{ clientId: 'app', scopes: ['a'] }], typ: null })
    const [client]: readonly Client[] = issuer.clients
    const [grant]: readonly Grant[] = issuer.grants
    const grantTypes: readonly GrantType[] | undefined = client?.grantTypes
    const endpoint: Endpoint = 'createGrant'
    issuer.fault(endpoint, { status: undefined, delayMs: 1, times: undefined })
    const counts: number = issuer.requests[endpoint].count
    const callback: string = await issuer.authorize(new URL('https://api.telnyx.com/v2/oauth/authorize'), { allow: false })
    await issuer.issueToken({ grantId: grant?.id, claims: { tenant: 'a' } })
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const keys: ProofKey[] = [publicKey, privateKey.export({ format: 'jwk' }), { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }]
    const proof: DpopProofOptions = { key: privateKey, method: 'GET', url: 'https://api.example.com', nonce: undefined, header: { alg: 'ES256' } }
    const headers = { dpop: await createDpopProof(proof) }
    await issuer.issueToken({ dpopKey: keys[0], jkt: undefined, x5t: undefined })
    await createMockIssuer({ dpop: { nonce: true } })
    // @ts-expect-error: a public client has no secret
    client?.clientSecret.length
    console.log(grantTypes, counts, callback, headers)
    const verifier: Verifier<{ tenant: string }> = createVerifier<{ tenant: string }>({
      audience: 'https://api.example.com',
      fetch: issuer.fetch,
      validate: (auth) => auth.claims.tenant === 'a',
      protectedResource: { resourceName: 'Messages', resource_policy_uri: 'https://example.com/policy' },
    })
    await verifier.authenticate(new Request('https://api.example.com'))
    await verifier.authenticate({ headers: { authorization: 'Bearer x' } }, { maxAgeSeconds: 300 })
    const answer = verifier.protectedResourceMetadata()?.respond(new Request('https://api.example.com'))
    if (answer) new Response(JSON.stringify(answer.body), answer)
    createVerifier({ audience: null, fetch, protectedResource: false })
    createVerifier({
      issuer: ['https://api.telnyx.com', { issuer: 'https://id.example.com', algorithms: ['ES256'], introspection: { when: 'opaque', authMethod: async ({ endpoint }) => ({ headers: { authorization: endpoint } }) } }],
      keys: { maxStaleSeconds: 3600 },
      retries: 0,
    })
    await verifier.verify('x', { introspection: 'always' })
    const stop: () => void = watch('tokenRejected', ({ code }: Events['tokenRejected']) => console.log(code, channels.keysStale))
    const ready: boolean = verifier.health().issuers.every((each) => each.ready)
    console.log(stop, ready)
  `,
}

/** Programs with one mistake each: a name, the program, and what the only error has to say. */
export interface WrongProgram {
  readonly what: string
  readonly source: string
  readonly message: RegExp
}

const USE: Readonly<Record<string, string>> = {
  express: 'telnyxAuth(',
  koa: 'telnyxAuth(',
  fastify: 'fastify().register(telnyxAuth, ',
  hono: 'telnyxAuth(',
}

const WRONG: readonly [string, string, RegExp][] = [
  ['a misspelt option', "USE{ audiance: 'https://api.example.com' })", /audiance/],
  ['an option of the wrong type', 'USE{ audience: 5 })', /number/],
  [
    'a verifier together with what one is made from',
    "USE{ verifier: createVerifier(), audience: 'x' })",
    /audience|verifier/,
  ],
  ['HMAC', "USE{ algorithms: ['HS256'] })", /HS256/],
  ['a misspelt member of the resource', "USE{ protectedResource: { ressource: 'x' } })", /ressource/],
  ['no scope', 'requireScopes()', /arguments/],
  ['a misspelt policy', "requireAuth({ scope: ['a'] })", /scope/],
  ['how to ask, in a policy', "requireAuth({ introspection: { when: 'always' } })", /IntrospectionWhen/],
  [
    'when to ask alone, of a verifier',
    "USE{ audience: 'x', introspection: 'always' })",
    /introspection|audience/,
  ],
  [
    'a change of the result',
    "createVerifier().verify('x').then((auth) => { auth.scopes.push('admin') })",
    /push/,
  ],
]

export function wrongPrograms(adapter: string): readonly WrongProgram[] {
  return WRONG.map(([what, statement, message]) => ({
    what,
    message,
    source: `
      import { createVerifier, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/${adapter}'
      ${adapter === 'fastify' ? "import fastify from 'fastify'" : ''}
      ${statement.replace('USE', USE[adapter] ?? '')}
    `,
  }))
}
