import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  HttpException,
  SetMetadata,
} from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { Policy } from '@telnyx-auth/core'
import * as core from '@telnyx-auth/core/adapter'
import type { Request, Response } from 'express'

const GUARDS = Symbol('guards')
const guards = core.createGuards((authorize) => authorize)

/** Demands more of the token, for a controller or a handler. Where both have one, both apply. */
export const RequireAuth = (policy?: Policy) => SetMetadata(GUARDS, guards.requireAuth(policy))
export const RequireScopes = (...scopes: [string, ...string[]]) =>
  SetMetadata(GUARDS, guards.requireScopes(...scopes))

/** The caller, as a parameter of a handler. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  core.getAuth(context.switchToHttp().getRequest()),
)

/** Lets only requests with a good access token pass. Every refusal is an exception with the status, body and headers of core. */
export class TelnyxAuthGuard implements CanActivate {
  readonly #authenticator: core.Authenticator
  readonly #reflector = new Reflector()

  constructor(options?: core.AdapterOptions) {
    this.#authenticator = core.createAuthenticator(options)
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>()
    const response = context.switchToHttp().getResponse<Response>()
    const targets = [context.getClass(), context.getHandler()]
    const demands = this.#reflector.getAll<(core.Authorize | undefined)[]>(GUARDS, targets)
    const required = demands.filter((authorize) => authorize !== undefined)
    const handle: core.RequestHandle = {
      requestKey: request,
      setAuth: (auth) => core.setProperty(request, 'auth', auth),
      routePolicies: () => core.policiesOf(required),
      setHeader: (name, value) => response.setHeader(name, value),
      responseHeaders: () => [response],
    }
    for (const decide of [this.#authenticator.authenticate, ...required]) {
      const answer = await decide(handle, request)
      if (!answer) continue
      response.set(answer.headers)
      throw new HttpException(JSON.parse(answer.body ?? '""'), answer.status)
    }
    return true
  }
}
