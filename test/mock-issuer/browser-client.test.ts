import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { browserPath, launchBrowser } from '../support/browser.js'
import { serve } from '../support/http.js'

/** The first steps of a client in a browser: it discovers the issuer and registers, with the headers of MCP. */
const REGISTER = `async (issuer) => {
  const headers = { 'content-type': 'application/json', 'mcp-protocol-version': '2026-07-28' }
  const found = await fetch(issuer + '/.well-known/oauth-authorization-server', { headers })
  const { registration_endpoint } = await found.json()
  const body = JSON.stringify({ client_name: 'Page', redirect_uris: [location.origin + '/callback'] })
  const registered = await fetch(registration_endpoint, { method: 'POST', headers, body })
  return (await registered.json()).client_name
}`

describe.skipIf(browserPath === undefined)('a client in a browser (Fetch standard, CORS protocol)', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  }, 60_000)
  afterAll(() => browser.close())

  async function createWorld() {
    const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [] })
    onTestFinished(() => issuer.close())
    const url = await issuer.listen()
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    const register = (from: Page): Promise<unknown> => from.evaluate(`(${REGISTER})(${JSON.stringify(url)})`)
    return { issuer, page, register }
  }

  it('registers from a page on this machine', async () => {
    const { issuer, page, register } = await createWorld()
    const app = express()
    app.get('/', (_request, response) => void response.send('<!doctype html>'))
    await page.goto((await serve(app)).url)
    expect(await register(page)).toBe('Page')
    expect(issuer.clients).toMatchObject([{ name: 'Page' }])
  })

  it('cannot register from a web page', async () => {
    const { issuer, page, register } = await createWorld()
    await page.route('http://evil.example/', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
    )
    await page.goto('http://evil.example/')
    await expect(register(page)).rejects.toThrow(/Failed to fetch/)
    expect(issuer.clients).toEqual([])
  })
})
