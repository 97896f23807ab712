import type { Endpoint } from '../protocol/endpoints.js'

/** The requests to one endpoint. */
export interface RequestLog {
  /** The number of requests. */
  readonly count: number
  /** The times of the last 10,000 requests, by the issuer's clock: milliseconds since the epoch, oldest first. */
  readonly times: readonly number[]
}

/** What is recorded of a request. Nothing in it can be a secret. */
export interface RecordedRequest {
  readonly endpoint: Endpoint
  readonly method: string
  /** Whether it came over HTTP, by `fetch` in process, or from the checks of the token page. */
  readonly from: 'HTTP' | 'process' | 'token page'
}

/** One request, and what became of it. */
export interface RequestEntry extends RecordedRequest {
  /** Counts the requests from 1. */
  readonly id: number
  /** Milliseconds since the epoch, by the issuer's clock. */
  readonly time: number
  /** The status code; `'none'` where the connection ended without a response; `undefined` until one of them is known. */
  status: number | 'none' | undefined
}

const MAX_TIMES = 10_000
const MAX_RECENT = 25

class Entry implements RequestLog {
  count = 0
  readonly times: number[] = []
}

/** The requests to all endpoints. */
export class RequestLogs {
  readonly #recent: RequestEntry[] = []
  #count = 0
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

  /** The last 25 requests, newest first. */
  get recent(): readonly Readonly<RequestEntry>[] {
    return this.#recent
  }

  record(request: RecordedRequest, time: number): RequestEntry {
    const log = this.perEndpoint[request.endpoint]
    log.count++
    log.times.push(time)
    if (log.times.length > MAX_TIMES) log.times.shift()
    const entry: RequestEntry = { ...request, id: ++this.#count, time, status: undefined }
    this.#recent.unshift(entry)
    if (this.#recent.length > MAX_RECENT) this.#recent.pop()
    return entry
  }
}
