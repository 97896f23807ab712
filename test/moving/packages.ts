import type { RequestListener } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type Koa from 'koa'
import { createApp as afterExpress } from './after/express.js'
import { createApp as afterFastify } from './after/fastify.js'
import { createApp as afterKoa } from './after/koa.js'
import { createApp as afterNode } from './after/node.js'
import { createApp as expressJwt } from './before/express-jwt.js'
import { createApp as expressOauth2JwtBearer } from './before/express-oauth2-jwt-bearer.js'
import { createApp as fastifyJwtJwks } from './before/fastify-jwt-jwks.js'
import { createApp as jose } from './before/jose.js'
import { createApp as koaJwt } from './before/koa-jwt.js'
import { createApp as passportJwt } from './before/passport-jwt.js'

/** Makes an application that accepts the tokens of an issuer. */
export type Build = (issuer: string) => RequestListener | Promise<RequestListener>

/** A package that users move from, with a page of its name in `docs/moving/`. */
export interface Move {
  readonly name: string
  readonly before: Build
  /** The name of the file in `after/`. */
  readonly framework: 'express' | 'koa' | 'fastify' | 'node'
  readonly after: Build
  /** What else the page shows, without `test/moving/` and `.js`. */
  readonly further?: readonly string[]
}

const koa = (createApp: (issuer: string) => Koa): Build => {
  return (issuer) => {
    const app = createApp(issuer)
    // It would write errors to the console.
    app.silent = true
    return app.callback()
  }
}

const fastify = (createApp: (issuer: string) => Promise<FastifyInstance>): Build => {
  return async (issuer) => {
    const app = await createApp(issuer)
    await app.ready()
    return (request, response) => app.routing(request, response)
  }
}

const AFTER = {
  express: afterExpress,
  koa: koa(afterKoa),
  fastify: fastify(afterFastify),
  node: afterNode,
} satisfies Record<Move['framework'], Build>

const move = (name: string, before: Build, framework: Move['framework']): Move => {
  return { name, before, framework, after: AFTER[framework] }
}

export const MOVES: readonly Move[] = [
  {
    ...move('express-oauth2-jwt-bearer', expressOauth2JwtBearer, 'express'),
    further: ['after/claim-includes', 'before/error-handler', 'after/error-handler'],
  },
  move('express-jwt', expressJwt, 'express'),
  move('passport-jwt', passportJwt, 'express'),
  move('koa-jwt', koa(koaJwt), 'koa'),
  move('fastify-jwt-jwks', fastify(fastifyJwtJwks), 'fastify'),
  move('jose', jose, 'node'),
]
