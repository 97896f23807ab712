import Router from '@koa/router'
import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/koa'
import Koa from 'koa'

/** @param {string} issuer */
export function createApp(issuer) {
  const app = new Koa()
  const router = new Router()

  app.use(telnyxAuth({ issuer, audience: 'https://api.example.com' }))

  router.get('/me', (ctx) => {
    ctx.body = { subject: getAuth(ctx).subject }
  })

  router.get('/messages', requireScopes('messaging.read'), (ctx) => {
    ctx.body = { messages: [] }
  })

  app.use(router.routes())
  return app
}
