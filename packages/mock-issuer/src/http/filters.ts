import { type Client, GRANT_TYPES } from '../protocol/client.js'
import { OAuthError } from '../protocol/refusals.js'

type Test<T> = (item: T) => boolean

/** The filters of a list: each makes a test of the value that it is given, or `undefined` where that is none. */
export type Filters<T> = ReadonlyMap<string, (value: string) => Test<T> | undefined>

export const NO_FILTERS: Filters<unknown> = new Map()

export const CLIENT_FILTERS: Filters<Client> = new Map([
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
 * The items for which every filter of the query holds. A filter that does not exist is refused: it would look as if
 * it had found everything.
 *
 * @throws {OAuthError} 400
 */
export function applyFilters<T>(
  filters: Filters<T>,
  items: readonly T[],
  query: URLSearchParams,
): readonly T[] {
  const tests: Test<T>[] = []
  for (const [name, value] of query) {
    if (!name.startsWith('filter[')) continue
    const test = filters.get(name)?.(value)
    if (!test) throw new OAuthError('invalid_request', 'A filter, or its value, does not exist')
    tests.push(test)
  }
  return items.filter((item) => tests.every((test) => test(item)))
}

function oneOf(
  values: readonly string[],
  holds: (client: Client, value: string) => boolean,
): (value: string) => Test<Client> | undefined {
  return (value) => (values.includes(value) ? (client) => holds(client, value) : undefined)
}
