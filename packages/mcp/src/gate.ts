import type { IncomingMessage } from 'node:http'
import type { JwtClaims, NodeRequest, WebRequest } from '@telnyx-auth/core'
import type { Answer } from '@telnyx-auth/core/adapter'
import type { AuthInfo } from './auth-info.js'
import { type Body, handOn, parsedBody, readNodeBody, readWebBody } from './body.js'
import { McpEndpoint } from './endpoint.js'
import type { McpAuthOptions } from './options.js'

/** The decision about a request. */
export type McpGateResult =
  | {
      /** The answer to write: a refusal, the metadata, or the answer to a preflight request. */
      readonly answer: Answer
    }
  | {
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
   * @param body the parsed body, where other code has read it
   * @returns the answer to write, or who calls; `undefined` when the request is not for the endpoint
   * @throws what the option `errors: 'throw'`, `toolScopes` or `validate` throw
   * @example
   * const result = await gate.handle(request)
   * if (result?.answer) return new Response(result.answer.body, result.answer)
   */
  handle(request: IncomingMessage | Request, body?: unknown): Promise<McpGateResult | undefined>
}

/**
 * Creates the guard of an MCP endpoint for servers without a framework.
 *
 * @throws {ConfigurationError} at once, for any option that is missing, contradictory, unknown or of the wrong type
 * @example
 * const gate = createMcpGate({ audience: 'https://api.example.com/mcp' })
 * createServer(async (req, res) => {
 *   const result = await gate.handle(req)
 *   if (!result) return void res.writeHead(404).end()
 *   if (result.answer) return void res.writeHead(result.answer.status, result.answer.headers).end(result.answer.body)
 *   for (const [name, value] of Object.entries(result.headers)) res.setHeader(name, value)
 *   await transport.handleRequest(req, res, result.body)
 * })
 */
export function createMcpGate<Claims extends object = JwtClaims>(
  options?: McpAuthOptions<Claims, NodeRequest> | McpAuthOptions<Claims, WebRequest>,
): McpGate {
  const endpoint = new McpEndpoint(options)
  return {
    async handle(request, given) {
      const purpose = endpoint.purposeOf(request)
      if (!purpose) return undefined
      const headers = new Headers()
      if (purpose === 'endpoint') endpoint.allowScripts(request, headers)
      let authInfo: AuthInfo | undefined
      let body: Body | undefined
      const answer = await endpoint.decide(
        purpose,
        {
          requestKey: request,
          setAuth(auth) {
            authInfo = endpoint.authInfoOf(auth)
            if (!(request instanceof Request)) Reflect.set(request, 'auth', authInfo)
          },
          routePolicies: () => [],
          challengeScopes: (error) => endpoint.challengeScopes(error),
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
      const value = body ? body.value : given
      return { authInfo, ...(value !== undefined && { body: value }), headers: Object.fromEntries(headers) }
    },
  }
}

async function readBody(
  request: IncomingMessage | Request,
  given: unknown,
  maxBytes: number,
): Promise<Body | undefined> {
  if (request instanceof Request)
    return request.bodyUsed ? parsedBody(given, maxBytes) : readWebBody(request, maxBytes)
  const body = await readNodeBody(request, given, maxBytes)
  if (body) handOn(request, body)
  return body
}
