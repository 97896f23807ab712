import * as v from 'valibot'
import { GRANT_TYPES, type GrantType } from './client.js'
import { isLegible } from './legible-name.js'
import { isRedirectUri, isWebUrl } from './registered-url.js'

/** The members that clients have in common, wherever they are described. */

type Text = v.GenericSchema<string>

export const text: Text = v.pipe(
  v.string('must be a string'),
  v.nonEmpty('must not be empty'),
  v.maxLength(2000, 'is too long'),
  v.regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not contain control characters'),
)

/** Users read it within a question, so it must not disguise itself or the question. */
export const name: Text = v.pipe(
  text,
  v.maxLength(200, 'is too long'),
  v.check(isLegible, 'must be text that can be read'),
)

/** RFC 6749 §3.3 */
export const SCOPE_TOKEN: string = /[\x21\x23-\x5b\x5d-\x7e]+/.source

export const scopeToken: Text = v.pipe(text, v.regex(new RegExp(`^${SCOPE_TOKEN}$`), 'must be a scope'))

export const grantType: v.GenericSchema<GrantType> = v.picklist(
  GRANT_TYPES,
  `must be one of ${GRANT_TYPES.join(', ')}`,
)

export const flag: v.GenericSchema<boolean> = v.boolean('must be a boolean')

/** Users follow these links, and their browsers load the picture. */
export const webUrl: Text = v.pipe(text, v.check(isWebUrl, 'must be an http or https URL'))

export const redirectUri: Text = v.pipe(
  text,
  v.check(isRedirectUri, 'must be an absolute URI without fragment, of a scheme that leads to the client'),
)

export function listOf<T>(item: v.GenericSchema<T>): v.GenericSchema<T[]> {
  return v.pipe(v.array(item, 'must be an array'), v.maxLength(100, 'has too many members'))
}

export const links: Readonly<
  Record<'logo_uri' | 'policy_uri' | 'tos_uri', v.OptionalSchema<Text, undefined>>
> = {
  logo_uri: v.optional(webUrl),
  policy_uri: v.optional(webUrl),
  tos_uri: v.optional(webUrl),
}
