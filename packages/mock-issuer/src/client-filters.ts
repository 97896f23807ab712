import { type Client, GRANT_TYPES } from './client.js'
import { OAuthError } from './refusals.js'

type Test = (client: Client) => boolean

/** The filters that exist: each makes a test of the value that it is given, or `undefined` where that is none. */
const FILTERS: ReadonlyMap<string, (value: string) => Test | undefined> = new Map([
  ['filter[client_id]', (value) => (client) => client.clientId === value],
  ['filter[name]', (value) => (client) => client.name === value],
  ['filter[name][contains]', (value) => (client) => client.name.includes(value)],
  ['filter[client_type]', oneOf(['public', 'confidential'], (client, value) => client.clientType === value)],
  ['filter[verified]', oneOf(['true', 'false'], (client, value) => String(client.verified) === value)],
  [
    'filter[allowed_grant_types][contains]',
    oneOf(GRANT_TYPES, (client, value) => client.grantTypes.some((grantType) => grantType === value)),
  ],
])

/**
 * The clients for which every filter of the query holds. A filter that does not exist is refused: it would look as
 * if it had found everything.
 *
 * @throws {OAuthError} 400
 */
export function filterClients(clients: readonly Client[], query: URLSearchParams): readonly Client[] {
  const tests: Test[] = []
  for (const [name, value] of query) {
    if (!name.startsWith('filter[')) continue
    const test = FILTERS.get(name)?.(value)
    if (!test) throw new OAuthError('invalid_request', 'A filter, or its value, does not exist')
    tests.push(test)
  }
  return clients.filter((client) => tests.every((test) => test(client)))
}

function oneOf(
  values: readonly string[],
  holds: (client: Client, value: string) => boolean,
): (value: string) => Test | undefined {
  return (value) => (values.includes(value) ? (client) => holds(client, value) : undefined)
}
