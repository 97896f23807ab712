import Router from '@koa/router'
import { getAuth, requireAuth, requireScopes, telnyxAuth } from '@telnyx-auth/koa'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { guardsOf, type Harness, optionsOf, ownAnswer, type Setup } from './harness.js'

function harness(name: string, Koa: typeof Koa3): Harness {
  return {
    name,
    async build(setup: Setup) {
      const app = new Koa()
      // Its own error handler is not to write to the console.
      app.silent = true
      app.use(async (ctx, next) => {
        ctx.set({ ...setup.headers })
        setup.before?.((name, value) => ctx.set(name, value), ctx.res)
        try {
          await next()
        } catch (error) {
          if (setup.errors !== 'handled') throw error
          const { status, headers, body } = ownAnswer(error, setup)
          ctx.set({ ...headers })
          ctx.status = status
          ctx.body = body
        }
      })
      const auth = telnyxAuth(optionsOf(setup))
      const inRoute = setup.placement === 'route'
      const router = new Router(setup.prefix === undefined ? {} : { prefix: setup.prefix })
      const before = inRoute ? [] : [auth]
      if (setup.second) before.push(telnyxAuth({ verifier: setup.second }))
      for (const each of before) setup.prefix === undefined ? app.use(each) : router.use(each)
      for (const route of setup.routes) {
        const { method = 'GET', path, handle } = route
        const guards = guardsOf(route, { requireAuth, requireScopes })
        if (inRoute) guards.unshift(auth)
        router.register(
          path,
          [method],
          [
            ...guards,
            async (ctx) => {
              ctx.body = JSON.stringify(
                await handle({ property: ctx.state.auth, getAuth: () => getAuth(ctx) }),
              )
              ctx.type = 'application/json'
            },
          ],
        )
      }
      app.use(router.routes())
      return app.callback()
    },
  }
}

export const harnesses: readonly Harness[] = [harness('Koa 2', Koa2), harness('Koa 3', Koa3)]
