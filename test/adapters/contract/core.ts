import { getRequestListener } from '@hono/node-server'
import { type Auth, createVerifier, type Policy, TelnyxAuthError, toResponse } from '@telnyx-auth/core'
import { type Demand, type Harness, isScopes, ownAnswer, type Setup } from './harness.js'

/** All that is demanded, as the one policy of a call. */
function merge(setup: Setup, demands: readonly Demand[]): Policy {
  const policies = demands.map((demand) => (isScopes(demand) ? { scopes: demand } : demand))
  const [first = {}] = policies
  return {
    ...first,
    scopes: [setup.options, ...policies].flatMap((each) =>
      Object.hasOwn(each, 'scopes') ? (each.scopes ?? []) : [],
    ),
  }
}

/** Whether a path is that of a route, whose path may have parameters: `/files/:name`. */
function isPathOf(route: string, path: string): boolean {
  const [expected, given] = [route.split('/'), path.split('/')]
  return (
    expected.length === given.length &&
    expected.every((part, index) => part.startsWith(':') || part === given[index])
  )
}

/** A platform with web requests, with only what the README says about `createVerifier`. */
export const harnesses: readonly Harness[] = [
  {
    name: 'core',
    async build(setup: Setup) {
      const verifier = createVerifier(setup.options)

      async function handle(request: Request): Promise<Response> {
        const metadata = verifier.protectedResourceMetadata()?.respond(request)
        if (metadata) return new Response(JSON.stringify(metadata.body), metadata)

        const { pathname } = new URL(request.url)
        const method = request.method === 'HEAD' ? 'GET' : request.method
        const route = setup.routes.find(
          (each) =>
            isPathOf(`${setup.prefix ?? ''}${each.path}`, pathname) && (each.method ?? 'GET') === method,
        )
        const demands = route?.demands ?? []
        let auth: Auth | undefined
        try {
          auth = await verifier.authenticate(request, merge(setup, demands))
        } catch (error) {
          const anonymous = error instanceof TelnyxAuthError && error.code === 'ERR_TOKEN_MISSING'
          if (!setup.optional || !anonymous || demands.length > 0) throw error
        }
        if (!route) return new Response(null, { status: 404 })
        const who = {
          property: auth,
          getAuth() {
            if (auth) return auth
            throw new Error('No caller was authenticated')
          },
        }
        return Response.json(await route.handle(who))
      }

      return getRequestListener(
        async (request) => {
          const response = await handle(request).catch((error: unknown) => {
            if (!(error instanceof TelnyxAuthError)) return new Response(null, { status: 500 })
            if (setup.errors === 'handled') {
              const { body, ...init } = ownAnswer(error, setup)
              return new Response(body, init)
            }
            const { body, ...init } = toResponse(error)
            return new Response(JSON.stringify(body), init)
          })
          for (const [name, value] of Object.entries(setup.headers ?? {})) response.headers.set(name, value)
          return response
        },
        { overrideGlobalObjects: false },
      )
    },
  },
]
