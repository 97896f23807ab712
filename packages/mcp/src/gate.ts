import type { IncomingMessage } from 'node:http'
import { ConfigurationError, type JwtClaims, type NodeRequest, type WebRequest } from '@telnyx-auth/core'
import { type Answer, setProperty } from '@telnyx-auth/core/adapter'
import type { AuthInfo } from './auth-info.js'
import { type BodyResult, bodyOf, handOn, readNodeBody, readWebBody } from './body.js'
import { McpEndpoint } from './endpoint.js'
import type { McpAuthOptions } from './options.js'

/** The decision about a request. */
export type McpGateResult =
  | {
      /** The answer to write: a refusal, the metadata, or the answer to a preflight request. */
      readonly answer: Answer
    }
  | {
      /** Absent: the request may continue. */
      readonly answer?: undefined
      /** Who calls; `undefined` for an anonymous caller, which only the option `optional` lets pass. */
      readonly authInfo: AuthInfo | undefined
      /** The parsed body, where it was read: pass it to the transport. */
      readonly body?: unknown
      /** Headers for the response, with which scripts of other origins may read it. */
      readonly headers: Readonly<Record<string, string>>
    }

/** Guards an MCP endpoint without a framework. */
export interface McpGate {
  /**
   * Decides about a request of `node:http`, or a web `Request`.
   *
   * @param request the request, with its body unread or read
   * @param body the parsed body, where other code has read it
   * @returns the answer to write, or who calls; `undefined` when the request is not for the endpoint
   * @throws what the option `errors: 'throw'`, `toolScopes` or `validate` throw
   * @example
   * const gate = createMcpGate({ audience: 'https://api.example.com/mcp' })
   * const result = await gate.handle(request)
   * if (!result) return new Response(null, { status: 404 })
   * if (result.answer) return new Response(result.answer.body, result.answer)
   */
  handle(request: IncomingMessage | Request, body?: unknown): Promise<McpGateResult | undefined>
}

/**
 * Creates the guard of an MCP endpoint for servers without a framework.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
 *
 * const gate = createMcpGate({ audience: 'https://api.example.com/mcp' })
 * createServer((req, res) => {
 *   serve(req, res).catch(() => res.writeHead(500).end())
 * })
 * async function serve(req: IncomingMessage, res: ServerResponse) {
 *   const result = await gate.handle(req)
 *   if (!result) return res.writeHead(404).end() // not the endpoint: the caller is unknown
 *   if (result.answer) return res.writeHead(result.answer.status, result.answer.headers).end(result.answer.body)
 *   for (const [name, value] of Object.entries(result.headers)) res.setHeader(name, value)
 *   await transport.handleRequest(req, res, result.body)
 * }
 */
export function createMcpGate<Claims extends object = JwtClaims>(
  options?: McpAuthOptions<Claims, NodeRequest> | McpAuthOptions<Claims, WebRequest>,
): McpGate {
  const endpoint = new McpEndpoint(options)
  return {
    async handle(request, given) {
      const purpose = endpoint.purposeOf(request, {
        requestKey: request,
        url: undefined,
        isMounted: false,
        isInRoute: false,
      })
      if (!purpose) return undefined
      const headers = new Headers(purpose === 'endpoint' ? endpoint.scriptHeaders(request) : undefined)
      let authInfo: AuthInfo | undefined
      let body: BodyResult | undefined
      const answer = await endpoint.decide(
        purpose,
        {
          requestKey: request,
          setAuth(auth) {
            authInfo = endpoint.authInfoOf(auth)
            if (!(request instanceof Request)) setProperty(request, 'auth', authInfo)
          },
          routePolicies: () => [],
          challengeScopes: (error) => endpoint.challengeScopes(error),
          setHeader: (name, value) => headers.set(name, value),
          responseHeaders: () => [],
        },
        request,
        async () => {
          body = await readBody(request, given, endpoint.maxBodyBytes)
          return body
        },
      )
      if (answer) {
        for (const [name, value] of Object.entries(answer.headers)) headers.set(name, value)
        return { answer: { ...answer, headers: Object.fromEntries(headers) } }
      }
      const value = typeof body === 'object' ? body.value : given
      return { authInfo, ...(value !== undefined && { body: value }), headers: Object.fromEntries(headers) }
    },
  }
}

async function readBody(
  request: IncomingMessage | Request,
  given: unknown,
  maxBytes: number,
): Promise<BodyResult> {
  if (request instanceof Request) {
    if (!request.bodyUsed) return readWebBody(request, maxBytes)
    if (given !== undefined) return bodyOf(given)
    throw new ConfigurationError(
      'The body was read before the gate: give the parsed body to handle(request, body)',
    )
  }
  const body = await readNodeBody(request, given, maxBytes)
  if (typeof body === 'object') handOn(request, body)
  return body
}
