import { type Client, GRANT_TYPES } from '../protocol/client.js'
import { OAuthError } from '../protocol/refusals.js'

type Predicate<T> = (item: T) => boolean

/** The filters of a list, by parameter. Each returns a predicate, or `undefined` for a value that it does not accept. */
export type Filters<T> = ReadonlyMap<string, (value: string) => Predicate<T> | undefined>

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
 * The items that match all filters of the query. An unknown filter is refused: if it were ignored, it would seem to match
 * all items.
 *
 * @throws {OAuthError} 400
 */
export function applyFilters<T>(
  filters: Filters<T>,
  items: readonly T[],
  query: URLSearchParams,
): readonly T[] {
  const predicates: Predicate<T>[] = []
  for (const [name, value] of query) {
    if (!name.startsWith('filter[')) continue
    const predicate = filters.get(name)?.(value)
    if (!predicate) throw new OAuthError('invalid_request', 'A filter or its value is not known')
    predicates.push(predicate)
  }
  return items.filter((item) => predicates.every((matches) => matches(item)))
}

function oneOf(
  values: readonly string[],
  matches: (client: Client, value: string) => boolean,
): (value: string) => Predicate<Client> | undefined {
  return (value) => (values.includes(value) ? (client) => matches(client, value) : undefined)
}
