import { createServer, type Server } from 'node:http'
import { telnyxAuth } from '@telnyx-auth/express'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import { expressjwt } from 'express-jwt'
import { auth } from 'express-oauth2-jwt-bearer'
import jwksRsa from 'jwks-rsa'
import { jwksUriOf } from '../issuer.js'
import { AUDIENCE } from '../tokens.js'

const GUARDS: Readonly<Record<string, (issuer: string) => RequestHandler>> = {
  'empty middleware': () => (_request, _response, next) => next(),
  ours: (issuer) => telnyxAuth({ issuer, audience: AUDIENCE }),
  'express-oauth2-jwt-bearer': (issuer) => auth({ issuerBaseURL: issuer, audience: AUDIENCE }),
  'express-jwt': (issuer) =>
    expressjwt({
      secret: jwksRsa.expressJwtSecret({ jwksUri: jwksUriOf(issuer), cache: true, rateLimit: true }),
      audience: AUDIENCE,
      issuer,
      algorithms: ['RS256'],
    }),
}

export async function createExpress(guard: string, issuer: string): Promise<Server> {
  const app = express()
  const create = GUARDS[guard]
  if (create) app.use(create(issuer))
  app.get('/', (_request, response) => {
    response.json({ messages: [] })
  })
  // As the READMEs of the peers have it: they throw what Express would log.
  const answer: ErrorRequestHandler = (error, _request, response, _next) => {
    response.status(error.status ?? 500).end()
  }
  app.use(answer)
  return createServer(app)
}
