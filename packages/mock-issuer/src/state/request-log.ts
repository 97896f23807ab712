import type { Endpoint } from '../protocol/endpoints.js'

/** The requests to one endpoint. */
export interface RequestLog {
  /** The number of requests. */
  readonly count: number
  /** The times of the last 10,000 requests, by the issuer's clock: milliseconds since the epoch, oldest first. */
  readonly times: readonly number[]
}

const MAX_TIMES = 10_000

class Entry implements RequestLog {
  count = 0
  readonly times: number[] = []
}

/** The requests to all endpoints. */
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
