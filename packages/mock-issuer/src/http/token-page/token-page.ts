import { OAuthError } from '../../protocol/refusals.js'
import { ASSETS } from './assets.js'
import { checkHost, checkSameOrigin, PageRefusal } from './guard.js'
import { type PageIssuer, pageChanges, pageViews } from './page-operations.js'

/** Answers a request to the page, or is not asked for it: `undefined`. */
export type TokenPage = (request: Request, port: string) => Promise<Response> | undefined

/**
 * The page to try tokens on. It works for browsers on this machine only, which is why the caller must serve it on a
 * loopback address.
 */
export function createTokenPage(issuer: PageIssuer): TokenPage {
  const views = new Map([...ASSETS, ...pageViews(issuer)])
  const changes = pageChanges(issuer)

  const answer = async (request: Request, path: string, port: string): Promise<Response> => {
    checkHost(request, port)
    const view = views.get(path)
    if (view) {
      checkMethod(request, ['GET', 'HEAD'])
      return view()
    }
    checkMethod(request, ['POST'])
    checkSameOrigin(request)
    return (await changes.get(path)?.(request)) ?? new Response(null, { status: 204 })
  }

  return (request, port) => {
    const { pathname } = new URL(request.url)
    if (!views.has(pathname) && !changes.has(pathname)) return undefined
    return answer(request, pathname, port).catch(refuse)
  }
}

function checkMethod(request: Request, methods: readonly string[]): void {
  const allow = methods.join(', ')
  if (!methods.includes(request.method))
    throw new PageRefusal(405, `The method must be ${allow}`, { Allow: allow })
}

/** A refusal in words, which the page shows. */
function refuse(error: unknown): Response {
  if (!(error instanceof PageRefusal || error instanceof OAuthError)) throw error
  return new Response(error.message, {
    status: error.status,
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
      ...(error instanceof PageRefusal && error.headers),
    },
  })
}
