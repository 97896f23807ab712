import type { Endpoint } from '../protocol/endpoints.js'

/** What an endpoint was asked. */
export interface RequestLog {
  /** How many requests came. */
  readonly count: number
  /** When the last ten thousand of them came, in milliseconds since the epoch by the issuer's clock. */
  readonly times: readonly number[]
}

const MAX_TIMES = 10_000

class Entry implements RequestLog {
  count = 0
  readonly times: number[] = []
}

/** What all endpoints were asked. */
export class RequestLogs {
  readonly perEndpoint: Readonly<Record<Endpoint, Entry>> = {
    metadata: new Entry(),
    protectedResource: new Entry(),
    authorize: new Entry(),
    consent: new Entry(),
    createGrant: new Entry(),
    token: new Entry(),
    introspection: new Entry(),
    jwks: new Entry(),
    registration: new Entry(),
    listClients: new Entry(),
    createClient: new Entry(),
    retrieveClient: new Entry(),
    updateClient: new Entry(),
    deleteClient: new Entry(),
    listGrants: new Entry(),
    retrieveGrant: new Entry(),
    deleteGrant: new Entry(),
  }

  record(endpoint: Endpoint, time: number): void {
    const entry = this.perEndpoint[endpoint]
    entry.count++
    entry.times.push(time)
    if (entry.times.length > MAX_TIMES) entry.times.shift()
  }
}
