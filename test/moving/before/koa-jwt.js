import Router from '@koa/router'
import jwksRsa from 'jwks-rsa'
import Koa from 'koa'
import jwt from 'koa-jwt'

/** @param {string} issuer */
export function createApp(issuer) {
  const app = new Koa()
  const router = new Router()

  app.use(
    jwt({
      secret: jwksRsa.koaJwtSecret({ jwksUri: `${issuer}/v2/oauth/jwks`, cache: true, rateLimit: true }),
      audience: 'https://api.example.com',
      issuer,
      algorithms: ['RS256'],
    }),
  )

  router.get('/me', (ctx) => {
    ctx.body = { subject: ctx.state.user.sub }
  })

  router.get('/messages', (ctx) => {
    const scopes = ctx.state.user.scope?.split(' ') ?? []
    if (!scopes.includes('messaging.read')) ctx.throw(403)
    ctx.body = { messages: [] }
  })

  app.use(router.routes())
  return app
}
