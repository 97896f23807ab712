import { setTimeout } from 'node:timers/promises'
import { createMcpGate } from '@telnyx-auth/mcp'
import { mcpAuth as forExpress } from '@telnyx-auth/mcp/express'
import { mcpAuth as forKoa } from '@telnyx-auth/mcp/koa'
import express from 'express'
import Koa from 'koa'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { serve } from '../support/http.js'

/** Requests that look like MCP and pass, because the guard does not know where the endpoint is: the operator is told. */

const MCP = ['Content-Type: application/json', 'Accept: application/json, text/event-stream']
const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

beforeEach(() => {
  forgetWarnings()
})

/** Until the timers that were set before have run. */
const settle = () => setTimeout(0)

const watchWarnings = () => vi.spyOn(process, 'emitWarning').mockReturnValue()

/** An application whose endpoint is at a path that its guard does not know. */
async function serveUnguarded() {
  const app = express()
  app.use(forExpress({ audience: 'https://api.example.com/v1/unguarded' }))
  app.all('/unguarded', (_request, response) => void response.send('ran'))
  return serve(app)
}

it('a forgotten path: one warning, which names the option and nothing that the caller sent', async () => {
  const warn = watchWarnings()
  const { client } = await serveUnguarded()
  for (const _ of [1, 2]) expect((await client.request('POST', '/unguarded', MCP, PING)).body).toBe('ran')
  await settle()
  expect(warn.mock.calls).toEqual([
    [
      expect.stringMatching(/"\/v1\/unguarded".*option "path"/),
      { type: 'TelnyxAuthWarning', code: 'ERR_CONFIGURATION' },
    ],
  ])
})

describe('no warning', () => {
  it.each<[string, string, string[]]>([
    ['for another method', 'GET', MCP],
    ['for JSON of other clients', 'POST', ['Content-Type: application/json', 'Accept: application/json']],
    ['for another media type', 'POST', ['Content-Type: text/plain', 'Accept: text/event-stream']],
  ])('%s', async (_, method, headers) => {
    const warn = watchWarnings()
    const { client } = await serveUnguarded()
    await client.request(method, '/unguarded', headers, method === 'GET' ? undefined : PING)
    await settle()
    expect(warn).not.toHaveBeenCalled()
  })

  it.each(['first', 'second'])('of two guards, for the endpoint of the %s', async (name) => {
    const warn = watchWarnings()
    const app = express()
    app.use(forExpress({ audience: 'https://api.example.com/first' }))
    app.use(forExpress({ audience: 'https://api.example.com/second', optional: true }))
    app.all('/:name', (_request, response) => void response.send('ran'))
    const { client } = await serve(app)
    await client.request('POST', `/${name}`, MCP, PING)
    await settle()
    expect(warn).not.toHaveBeenCalled()
  })

  it('of two guards, for the endpoint of the second, in Koa', async () => {
    const warn = watchWarnings()
    const app = new Koa()
    app.use(forKoa({ audience: 'https://api.example.com/first' }))
    app.use(forKoa({ audience: 'https://api.example.com/second' }))
    const { client } = await serve(app.callback())
    await client.request('POST', '/second', MCP, PING)
    await settle()
    expect(warn).not.toHaveBeenCalled()
  })
})

it('a web request that the gate lets pass', async () => {
  const warn = watchWarnings()
  const gate = createMcpGate({ audience: 'https://api.example.com/v1/unguarded' })
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' }
  const request = new Request('http://127.0.0.1/unguarded', { method: 'POST', headers, body: PING })
  expect(await gate.handle(request)).toBeUndefined()
  await settle()
  expect(warn).toHaveBeenCalledOnce()
})
