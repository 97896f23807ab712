import Router from '@koa/router'
import { ConfigurationError, getAuth, requireAuth, TelnyxAuthError, telnyxAuth } from '@telnyx-auth/koa'
import Koa from 'koa'

const app = new Koa()
const router = new Router()

app.use(async (ctx, next) => {
  try {
    await next()
  } catch (error) {
    // A mistake in this program is no answer to a caller: Koa logs it.
    if (!(error instanceof TelnyxAuthError) || error instanceof ConfigurationError) throw error
    ctx.set(error.headers)
    ctx.status = error.status
    ctx.body = { status: error.status, title: error.code }
    ctx.type = 'application/problem+json'
  }
})

// Sign-in is optional. Errors are thrown to the middleware above.
app.use(telnyxAuth({ audience: 'https://api.example.com', optional: true, errors: 'throw' }))

router.get('/greeting', (ctx) => {
  const { auth } = ctx.state
  ctx.body = { greeting: auth ? `Hello, ${auth.clientId}` : 'Hello, guest' }
})

// This route requires it.
router.get('/account', requireAuth(), (ctx) => {
  ctx.body = { client: getAuth(ctx).clientId }
})

app.use(router.routes())
app.listen(Number(process.env.PORT ?? 3000))
