import { generateKeyPairSync } from 'node:crypto'
import type { DpopOptions } from '@telnyx-auth/core'
import { createDpopProof, createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { shareServers } from '../support/http.js'
import { singleHeaders } from '../support/http-client.js'
import { type Call, harnesses } from './harness.js'

/** Proof of possession (RFC 9449) at an MCP server behind `mcpAuth`, in every framework and with both generations of the SDK. */

const AUDIENCE = 'https://api.example.com/mcp'
const METADATA =
  'resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp", algs="ES256"'
const SECRETS = ['a secret of at least thirty-two characters'] as const
const OLD_SECRETS = ['an old secret, of thirty-two characters or more'] as const

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
let issuer: MockIssuer
let tokens: Readonly<Record<'reader' | 'writer' | 'other' | 'unbound', string>>
beforeAll(async () => {
  issuer = await createMockIssuer({ algorithm: 'ES256' })
  const issue = (scope: string, dpopKey: typeof key | undefined) =>
    issuer.issueToken({ audience: AUDIENCE, scopes: scope.split(' '), dpopKey })
  tokens = {
    reader: await issue('read', key),
    writer: await issue('read write', key),
    other: await issue('other', key),
    unbound: await issue('read', undefined),
  }
})

const bodyOf = (name: string) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } })
const READ = bodyOf('read_messages')
const SEND = bodyOf('send_message')

describe.each(harnesses)('%s', (_, harness) => {
  const serve = shareServers()
  const calls: Call[] = []
  beforeEach(() => void calls.splice(0))

  const client = async (dpop: Partial<DpopOptions> = {}) => {
    const server = await serve(JSON.stringify(dpop), () =>
      harness.build({
        calls,
        options: {
          audience: AUDIENCE,
          fetch: issuer.fetch,
          scopes: ['read'],
          toolScopes: { send_message: ['write'] },
          dpop: { mode: 'optional', algorithms: ['ES256'], ...dpop },
        },
      }),
    )
    return server.client
  }
  const post = async (lines: readonly string[], body: string, dpop?: Partial<DpopOptions>) => {
    const types = ['Content-Type: application/json', 'Accept: application/json, text/event-stream']
    return (await client(dpop)).request('POST', '/mcp', [...types, ...lines], body)
  }
  const prove = (token: string, nonce?: string, url = AUDIENCE) =>
    createDpopProof({ key, method: 'POST', url, token, nonce })
  const linesOf = (token: string, proof: string) => [`Authorization: DPoP ${token}`, `DPoP: ${proof}`]
  const tools = () => calls.map(({ tool }) => tool)

  it('a bound token with a proof calls a tool, once for each proof', async () => {
    const lines = linesOf(tokens.writer, await prove(tokens.writer))
    const answer = await post(lines, SEND)
    expect([answer.status, tools()]).toEqual([200, ['send_message']])
    expect(calls[0]?.authInfo?.token).toBe(tokens.writer)
    const replayed = await post(lines, SEND)
    expect(replayed.status).toBe(401)
    expect(singleHeaders(replayed)['www-authenticate']).toBe(
      `DPoP realm="api", error="invalid_dpop_proof", error_description="The DPoP proof was used before", scope="read", ${METADATA}`,
    )
    expect(tools()).toEqual(['send_message'])
  })

  it('no proof, a proof for another URL, and a bound token as Bearer: 401', async () => {
    const { reader } = tokens
    const refused = [
      [`Authorization: DPoP ${reader}`],
      linesOf(reader, await prove(reader, undefined, 'https://api.example.com/other')),
      [`Authorization: Bearer ${reader}`, `DPoP: ${await prove(reader)}`],
    ]
    for (const lines of refused) expect((await post(lines, READ)).status).toBe(401)
    expect(tools()).toEqual([])
  })

  it('an unbound token is a Bearer token', async () => {
    expect((await post([`Authorization: Bearer ${tokens.unbound}`], READ)).status).toBe(200)
    expect(tools()).toEqual(['read_messages'])
  })

  it("a tool's 403 has the challenge of the scheme that the caller used", async () => {
    const said = 'error="insufficient_scope", error_description="The access token lacks a required scope"'
    const dpop = (scope: string) => `DPoP realm="api", ${said}, scope="${scope}", ${METADATA}`
    const send = await post(linesOf(tokens.reader, await prove(tokens.reader)), SEND)
    expect([send.status, singleHeaders(send)['www-authenticate']]).toEqual([403, dpop('read write')])
    // The endpoint refuses the token before the tool is known, and then says what the tool needs.
    const other = await post(linesOf(tokens.other, await prove(tokens.other)), SEND)
    expect([other.status, singleHeaders(other)['www-authenticate']]).toEqual([403, dpop('read write')])
    const read = await post(linesOf(tokens.other, await prove(tokens.other)), READ)
    expect([read.status, singleHeaders(read)['www-authenticate']]).toEqual([403, dpop('read')])
    const bearer = await post([`Authorization: Bearer ${tokens.unbound}`], SEND)
    expect([bearer.status, singleHeaders(bearer)['www-authenticate']]).toEqual([
      403,
      `Bearer realm="api", ${said}, scope="read write", ${METADATA.split(',')[0]}, DPoP realm="api", scope="read write", ${METADATA}`,
    ])
    expect(tools()).toEqual([])
  })

  it('O6, §8.2: a success hands out the next nonce, where one is due', async () => {
    const { reader } = tokens
    const nonceOf = async (nonce: string | undefined, dpop: Partial<DpopOptions>) => {
      const answer = await post(linesOf(reader, await prove(reader, nonce)), READ, dpop)
      return [answer.status, singleHeaders(answer)['dpop-nonce']] as const
    }
    const [, outgoing] = await nonceOf(undefined, { nonce: { secrets: OLD_SECRETS } })
    const both = { nonce: { secrets: [...SECRETS, ...OLD_SECRETS] as const } }
    const [, next] = await nonceOf(undefined, both)
    expect(next).not.toBe(outgoing)
    expect(await nonceOf(outgoing, both)).toEqual([200, next])
    expect(await nonceOf(next, both)).toEqual([200, undefined])
    expect(tools()).toEqual(['read_messages', 'read_messages'])
  })

  it('a script of another origin may send a proof, and read the nonce', async () => {
    const preflight = await (await client()).request('OPTIONS', '/mcp', [
      'Origin: https://app.example.com',
      'Access-Control-Request-Method: POST',
      'Access-Control-Request-Headers: authorization,content-type,dpop',
    ])
    expect(preflight.status).toBe(204)
    const list = (value: string = '') => value.split(/, */)
    expect(list(singleHeaders(preflight)['access-control-allow-headers'])).toContain('DPoP')

    const dpop = { nonce: { secrets: SECRETS } }
    const { reader } = tokens
    const demanded = await post(linesOf(reader, await prove(reader)), READ, dpop)
    const headers = singleHeaders(demanded)
    expect(demanded.status).toBe(401)
    expect(headers['www-authenticate']).toMatch(/^DPoP realm="api", error="use_dpop_nonce"/)
    expect(list(headers['access-control-expose-headers'])).toEqual(
      expect.arrayContaining(['DPoP-Nonce', 'WWW-Authenticate']),
    )
    const nonce = headers['dpop-nonce']
    expect(nonce).toMatch(/^[\w-]+$/)
    const answer = await post(linesOf(reader, await prove(reader, nonce)), READ, dpop)
    expect([answer.status, tools()]).toEqual([200, ['read_messages']])
    expect(list(singleHeaders(answer)['access-control-expose-headers'])).toContain('DPoP-Nonce')
  })
})
