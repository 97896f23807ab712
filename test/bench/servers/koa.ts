import { createServer, type Server } from 'node:http'
import { telnyxAuth } from '@telnyx-auth/koa'
import jwksRsa from 'jwks-rsa'
import Koa, { type Middleware } from 'koa'
import jwt from 'koa-jwt'
import { jwksUriOf } from '../issuer.js'
import { AUDIENCE } from '../tokens.js'

const GUARDS: Readonly<Record<string, (issuer: string) => Middleware>> = {
  'empty middleware': () => (_ctx, next) => next(),
  ours: (issuer) => telnyxAuth({ issuer, audience: AUDIENCE }),
  'koa-jwt': (issuer) =>
    jwt({
      secret: jwksRsa.koaJwtSecret({ jwksUri: jwksUriOf(issuer), cache: true, rateLimit: true }),
      audience: AUDIENCE,
      issuer,
      algorithms: ['RS256'],
    }),
}

export async function createKoa(guard: string, issuer: string): Promise<Server> {
  const app = new Koa()
  const create = GUARDS[guard]
  if (create) app.use(create(issuer))
  app.use((ctx) => {
    ctx.body = { messages: [] }
  })
  return createServer(app.callback())
}
