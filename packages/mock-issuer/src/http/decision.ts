import * as v from 'valibot'
import { invalidFields, memberMessage } from '../protocol/invalid-fields.js'
import { OAuthError } from '../protocol/refusals.js'

/** The decision of a user. */
export interface Decision {
  readonly allowed: boolean
  readonly consent_token: string
}

const decision = v.strictObject(
  { allowed: v.boolean('must be a boolean'), consent_token: v.string('must be a string') },
  memberMessage,
)

/**
 * Validates the body of `createGrant`.
 *
 * @throws {OAuthError} 422
 */
export function parseDecision(document: object): Decision {
  const result = v.safeParse(decision, document)
  if (result.success) return result.output
  throw new OAuthError('invalid_request', 'The decision is not valid', 422, invalidFields(result.issues))
}
