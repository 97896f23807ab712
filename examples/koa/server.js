import Router from '@koa/router'
import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/koa'
import Koa from 'koa'

const app = new Koa()
const router = new Router()

// Every route below needs an access token that was issued for this API.
app.use(telnyxAuth({ audience: 'https://api.example.com' }))

router.get('/me', (ctx) => {
  const { subject, clientId, scopes } = getAuth(ctx)
  ctx.body = { subject, clientId, scopes }
})

// This route also needs a scope.
router.get('/messages', requireScopes('messaging.read'), (ctx) => {
  ctx.body = { messages: [] }
})

app.use(router.routes())
app.listen(Number(process.env.PORT ?? 3000))
