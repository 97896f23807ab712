/** Requests of a client that follows RFC 6749 and RFC 7662 to the letter. */

type Fetch = typeof globalThis.fetch

/** Names and values in the order in which they are sent; a name may occur twice. */
export type FormFields = Readonly<Record<string, string>> | readonly (readonly [string, string])[]

/** RFC 6749 §2.3.1: the id and the secret are each form-encoded, and only then joined by a colon. */
export function basicCredentials(clientId: string, clientSecret: string): string {
  const encoded = `${formEncode(clientId)}:${formEncode(clientSecret)}`
  return `Basic ${Buffer.from(encoded).toString('base64')}`
}

export function postForm(
  fetch: Fetch,
  url: string,
  fields: FormFields,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const pairs = isPairs(fields) ? fields : Object.entries(fields)
  const body = pairs.map(([name, value]) => `${formEncode(name)}=${formEncode(value)}`).join('&')
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  })
}

export function postJson(
  fetch: Fetch,
  url: string,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  })
}

/** The body of an answer that must be a JSON object. */
export async function readObject(response: Response): Promise<Record<string, unknown>> {
  return asObject(await response.json())
}

/** The keys of the JWK Set at this URL. */
export async function readKeys(fetch: Fetch, url: string): Promise<Record<string, unknown>[]> {
  const { keys } = await readObject(await fetch(url))
  if (!Array.isArray(keys)) throw new TypeError('This is not a JWK Set')
  return keys.map(asObject)
}

/** A member that must be text. */
export function textOf(object: Readonly<Record<string, unknown>>, name: string): string {
  const value = object[name]
  if (typeof value !== 'string') throw new TypeError(`The member ${name} is not a string`)
  return value
}

/** The reason that a promise is rejected with; a promise that is not rejected fails the test. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  )
  if (!outcome) throw new Error('The promise was not rejected')
  return outcome.reason
}

/** The code of the cause of a failed `fetch`. */
export function causeCode(error: unknown): unknown {
  const cause = error instanceof TypeError ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('This is not a JSON object')
  return { ...value }
}

function isPairs(fields: FormFields): fields is readonly (readonly [string, string])[] {
  return Array.isArray(fields)
}

/** Independent of the code under test, so that both cannot be wrong in the same way. */
function formEncode(text: string): string {
  return new URLSearchParams({ _: text }).toString().slice(2)
}
