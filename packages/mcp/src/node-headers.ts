import type { ServerResponse } from 'node:http'

/** Where Node keeps the headers of a response. */
export function headersOf(response: Pick<ServerResponse, 'getHeader' | 'setHeader'>): {
  get(name: string): unknown
  set(name: string, value: string): unknown
} {
  return {
    get: (name) => response.getHeader(name),
    set: (name, value) => response.setHeader(name, value),
  }
}
