import { mkdtemp } from 'node:fs/promises'
import { type RequestListener, request as send } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { mcpAuth } from '@telnyx-auth/mcp/express'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express, { type RequestHandler } from 'express'
import { inject, onTestFinished } from 'vitest'
import { serve } from '../support/http.js'
import { serveEverything } from './everything-server.js'

/** Where the guard stands. */
export type Guard = 'none' | 'before the body parser' | 'after the body parser'

export interface Place {
  /** The URL for tools that send a token. */
  readonly url: string
  /** The URL for tools that send none: a proxy adds it. */
  readonly urlWithToken: string
  readonly token: string
  /** Who called the endpoint: the client of the token. */
  readonly callers: ReadonlySet<unknown>
  /** With what requests were answered. */
  readonly statuses: ReadonlySet<number>
  /** A folder of the test's own. */
  readonly folder: string
}

export const SCOPE = 'messaging.read'
export const CLIENT = 'agent-1'

export async function startPlace(guard: Guard): Promise<Place> {
  const issuer = await createMockIssuer({ algorithm: 'ES256' })
  onTestFinished(() => issuer.close())
  const issuerUrl = await issuer.listen()
  const before: RequestHandler[] = []
  const after: RequestHandler[] = []
  const app = express()
  const { port, url } = await serve(app)
  const audience = `${url}/mcp`
  const statuses = new Set<number>()
  before.push((_, response, next) => {
    response.on('close', () => statuses.add(response.statusCode))
    next()
  })
  if (guard !== 'none')
    (guard === 'before the body parser' ? before : after).push(
      mcpAuth({
        issuer: issuerUrl,
        audience,
        scopes: [SCOPE],
        // With it, bodies are read before they run.
        toolScopes: { send_message: ['messaging.write'] },
        protectedResource: { resource: audience },
      }),
    )
  const callers = new Set<unknown>()
  after.push((request, _, next) => {
    callers.add('auth' in request ? Object(request.auth).clientId : undefined)
    next()
  })
  serveEverything(app, before, after)
  const token = await issuer.issueToken({ audience, scopes: [SCOPE], clientId: CLIENT })
  const proxy = await serve(addToken(port, token))
  const folder = await mkdtemp(join(inject('runFolder'), 'tool-'))
  return { url: audience, urlWithToken: `${proxy.url}/mcp`, token, callers, statuses, folder }
}

/** Passes requests on as they are, with a token. */
function addToken(port: number, token: string): RequestListener {
  return (request, response) => {
    const headers = [...request.rawHeaders, 'Authorization', `Bearer ${token}`]
    const { method, url } = request
    const passedOn = send({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      // A stream that begins with silence has headers all the same.
      response.flushHeaders()
      pipeline(answer, response, () => {})
    })
    pipeline(request, passedOn, () => {})
    passedOn.on('error', () => response.destroy())
    response.on('close', () => passedOn.destroy())
  }
}
