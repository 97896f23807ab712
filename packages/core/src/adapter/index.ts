/**
 * Everything that an adapter for a web framework needs; `docs/adapters.md` shows how to write one. An adapter creates an
 * authenticator and guards, hands each request over as a {@link RequestHandle}, and writes the plain answer that it gets back, or
 * continues.
 */

export { type Awaitable, isPending } from '../base/maybe-async.js'
export { asError } from '../errors/challenge-context.js'
export { isPreflight } from '../request/missing-token.js'
export { requestedUrl } from '../request/requested-url.js'
export { warnOnce } from '../telemetry/warnings.js'
export { type Answer, cancelStream, writeAnswer, writeContext, writeReply } from './answer.js'
export { type Authenticator, createAuthenticator, getAuth } from './authenticator.js'
export type {
  AdapterBehaviour,
  AdapterOptions,
  AuthenticatorTraits,
  OwnOptions,
  OwnOptionValues,
  SharedVerifier,
} from './authenticator-options.js'
export { type Authorize, createGuards, type Guards, policiesOf, refuseGuardsIn } from './guards.js'
export { claimProperty, setProperty } from './property.js'
export type { Decision, RequestHandle, RoutePolicy } from './request-handle.js'
export {
  type CallbackHandle,
  type PromiseHandle,
  respondOrContinue,
  respondOrNext,
  throwWrongFramework,
} from './respond.js'
export type { HeaderStore } from './response-headers.js'
