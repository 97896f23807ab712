const MAX_REDIRECTS = 20
const REDIRECT_STATUS = [301, 302, 303, 307, 308]
const BODY_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-type',
]

/**
 * Follows redirects, as the redirect mode of the request says (Fetch standard, HTTP fetch).
 *
 * @param answer answers one request, without following redirects
 * @throws {TypeError} for a redirect that `fetch` refuses to follow
 */
export async function followRedirects(
  first: Request,
  answer: (request: Request) => Promise<Response>,
): Promise<Response> {
  let request = first
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await answer(request)
    if (!REDIRECT_STATUS.includes(response.status) || request.redirect === 'manual') return response
    if (request.redirect === 'error') throw networkError('ERR_REDIRECT', 'Unexpected redirect')
    const location = response.headers.get('location')
    if (location === null) return response
    request = redirected(request, response.status, new URL(location, request.url))
  }
  throw networkError('ERR_REDIRECT', 'Too many redirects')
}

/** The request that follows a redirect (Fetch standard, HTTP-redirect fetch). */
function redirected(request: Request, status: number, url: URL): Request {
  const becomesGet = status === 303 ? !isSafe(request.method) : status < 307 && request.method === 'POST'
  if (!becomesGet && request.body) throw networkError('ERR_REDIRECT', 'The body cannot be sent again')
  const method = becomesGet ? 'GET' : request.method
  // As entries: where nock or msw replace `Headers`, `new Request` loses the headers of a direct copy.
  const headers = new Headers([...request.headers])
  if (becomesGet) for (const name of BODY_HEADERS) headers.delete(name)
  if (url.origin !== new URL(request.url).origin) headers.delete('authorization')
  return new Request(url, { method, headers, signal: request.signal })
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** The result of work that may never end. Rejects with the reason of the signal if it is aborted first. */
export function unlessAborted<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    Promise.resolve(work)
      .finally(() => signal.removeEventListener('abort', abort))
      .then(resolve, reject)
  })
}

/** The error with which Node's `fetch` rejects when a connection fails; its `cause` has the code. */
export function networkError(code: string, message: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) })
}
