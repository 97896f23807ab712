import { OAuthError } from '../protocol/refusals.js'

const DEFAULT_SIZE = 20
const MAX_SIZE = 100

/**
 * The page of a list that `page[number]` (default 1) and `page[size]` (default 20, at most 100) select.
 *
 * @throws {OAuthError} 400
 */
export function pageOf<T>(
  items: readonly T[],
  query: URLSearchParams,
  toRecord: (item: T) => object,
): { data: object[]; meta: object } {
  const number = readNumber(query, 'page[number]', 1, Number.MAX_SAFE_INTEGER)
  const size = readNumber(query, 'page[size]', DEFAULT_SIZE, MAX_SIZE)
  return {
    data: items.slice((number - 1) * size, number * size).map(toRecord),
    meta: {
      page_number: number,
      page_size: size,
      total_pages: Math.ceil(items.length / size),
      total_results: items.length,
    },
  }
}

function readNumber(query: URLSearchParams, name: string, defaultValue: number, max: number): number {
  const [text, ...more] = query.getAll(name)
  if (text === undefined) return defaultValue
  const value = /^\d+$/.test(text) ? Number(text) : 0
  if (value < 1 || value > max || more.length > 0)
    throw new OAuthError('invalid_request', `${name} must be a whole number within its limits`)
  return value
}
