import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getAuth, requireScopes, telnyxAuth } from '@telnyx-auth/express'
import { type ClientSeed, createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import type { Page } from 'playwright-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { browserPath, usePage } from '../support/browser.js'
import { serve } from '../support/http.js'
import { readObject, textOf } from '../support/oauth-requests.js'
import { ROOT } from '../support/packed.js'

/** The mock issuer in Debian's Chromium. */

const SCREENSHOT = join(ROOT, 'packages/mock-issuer/consent-page.png')
const AUDIENCE = 'https://api.example.com'

/** The minified build: the other one is twice as long. */
const AXE = fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url))

interface World {
  readonly issuer: MockIssuer
  readonly clientUrl: string
  readonly page: Page
  /** The errors on the browser's console, mostly from the Content-Security-Policy. */
  readonly complaints: readonly string[]
}

/** An API with the adapter. */
function createApi(issuer: string): express.Express {
  const api = express()
  api.use(telnyxAuth({ issuer, audience: AUDIENCE }))
  api.get('/messages', requireScopes('messaging.read'), (req, res) => {
    const { subject, clientId, scopes } = getAuth(req)
    res.json({ subject, clientId, scopes })
  })
  return api
}

/** A client that signs users in like a web application, and shows the response of the API. */
function createClientApp(issuer: string, apiUrl: string, clientId: string, scope: string): express.Express {
  const app = express()
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const redirectUri = (req: express.Request) => `http://${req.headers.host}/callback`

  app.get('/sign-in', (req, res) => {
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri(req),
      scope,
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    })
    res.redirect(`${issuer}/v2/oauth/authorize?${query}`)
  })
  app.get('/callback', async (req, res) => {
    const { code, error } = req.query
    if (req.query.state !== state) return res.status(400).send('This is not the state')
    if (typeof code !== 'string') return res.send(`Error: ${error}`)
    const answer = await fetch(`${issuer}/v2/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: clientId,
        redirect_uri: redirectUri(req),
        code,
        code_verifier: verifier,
      }),
    })
    const accessToken = textOf(await readObject(answer), 'access_token')
    const messages = await fetch(`${apiUrl}/messages`, {
      headers: { authorization: `Bearer ${accessToken}` },
    })
    return res.status(messages.status).json(await messages.json())
  })
  app.get('/favicon.ico', (_req, res) => {
    res.status(204).end()
  })
  // Another page, which frames the issuer.
  app.get('/framed', (req, res) => {
    res.send(`<!doctype html><iframe src="${req.query.of}"></iframe>`)
  })
  app.get('/plain', (_req, res) => {
    res.send('<!doctype html><button>Allow</button>')
  })
  return app
}

/** The text of a page; unlike a locator, it does not load Playwright's script into the page. */
const textOfPage = async (page: Page): Promise<string> =>
  String(await page.evaluate('document.body.textContent'))

/** The first steps of a client in a browser: it discovers the issuer and registers, with the headers of MCP. */
const REGISTER = `async (issuer) => {
  const headers = { 'content-type': 'application/json', 'mcp-protocol-version': '2026-07-28' }
  const found = await fetch(issuer + '/.well-known/oauth-authorization-server', { headers })
  const { registration_endpoint } = await found.json()
  const body = JSON.stringify({ client_name: 'Page', redirect_uris: [location.origin + '/callback'] })
  const registered = await fetch(registration_endpoint, { method: 'POST', headers, body })
  return (await registered.json()).client_name
}`

describe.skipIf(browserPath === undefined)('in a browser', () => {
  const currentPage = usePage()

  // Between a client and an API that are real servers.
  describe('the consent page', () => {
    async function createWorld(seed: ClientSeed = {}, scope = 'messaging.read'): Promise<World> {
      const clientId = 'web-app'
      const client = { clientId, clientType: 'public', name: 'Message Board', ...seed } as const
      const issuer = await createMockIssuer({ algorithm: 'ES256', audience: AUDIENCE, clients: [client] })
      const issuerUrl = await issuer.listen()
      onTestFinished(() => issuer.close())
      const { url: apiUrl } = await serve(createApi(issuerUrl))
      const { url: clientUrl } = await serve(createClientApp(issuerUrl, apiUrl, clientId, scope))
      const page = currentPage()
      const complaints: string[] = []
      page.on('console', (message) => complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(error.message))
      page.on('dialog', (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`)
        return dialog.dismiss()
      })
      return { issuer, clientUrl, page, complaints }
    }

    const allow = (page: Page) => page.getByRole('button', { name: 'Allow', exact: true })
    const deny = (page: Page) => page.getByRole('button', { name: 'Deny', exact: true })

    it('leads from the client to the API: authorize, Allow, redirect, token, call', async () => {
      const { issuer, clientUrl, page, complaints } = await createWorld()
      await page.goto(`${clientUrl}/sign-in`)
      expect(page.url()).toContain(`${issuer.issuer}/v2/oauth/authorize?`)
      expect(await page.title()).toBe('Allow Message Board?')
      await allow(page).click()
      await page.waitForURL(`${clientUrl}/callback?**`)
      const [grant] = issuer.grants
      expect(JSON.parse(await textOfPage(page))).toEqual({
        subject: grant?.subject,
        clientId: 'web-app',
        scopes: ['messaging.read'],
      })
      expect(grant).toMatchObject({ clientId: 'web-app', lastUsedAt: expect.any(Number) })
      expect(complaints).toEqual([])
    })

    it('leads back to the client with access_denied after Deny', async () => {
      const { issuer, clientUrl, page, complaints } = await createWorld()
      await page.goto(`${clientUrl}/sign-in`)
      await deny(page).click()
      await page.waitForURL(`${clientUrl}/callback?**`)
      expect(await textOfPage(page)).toBe('Error: access_denied')
      expect(issuer.grants).toEqual([])
      expect(complaints).toEqual([])
    })

    it('can be used with the keyboard only', async () => {
      const { clientUrl, page } = await createWorld()
      await page.goto(`${clientUrl}/sign-in`)
      const focused = () => page.evaluate('document.activeElement.textContent')
      for (let presses = 0; presses < 5 && (await focused()) !== 'Deny'; presses++)
        await page.keyboard.press('Tab')
      expect(await focused()).toBe('Deny')
      await page.keyboard.press('Enter')
      await page.waitForURL(`${clientUrl}/callback?**`)
      expect(await textOfPage(page)).toBe('Error: access_denied')
    })

    it('names the client, the requested scopes, and the redirect URI', async () => {
      const links = { policyUri: 'https://board.example/privacy', tosUri: 'https://board.example/terms' }
      const scopes = ['messaging.read', 'voice.write', 'company:reports']
      const { clientUrl, page } = await createWorld({ ...links, scopes }, scopes.join(' '))
      await page.goto(`${clientUrl}/sign-in`)
      expect(await page.getByRole('heading').allTextContents()).toEqual([
        'Allow Message Board to use your Telnyx account?',
      ])
      expect(await page.getByRole('listitem').allTextContents()).toEqual([
        'See your messages, without changing anything',
        'Create, change and delete your calls',
        'Use the scope company:reports',
      ])
      const hrefs = await page
        .getByRole('link')
        .evaluateAll((elements) => elements.map((element) => element.getAttribute('href')))
      expect(hrefs).toEqual(Object.values(links))
      const text = await page.textContent('main')
      expect(text).toContain(`You return to ${clientUrl}.`)
      expect(text).toContain('This client is not verified')
    })

    it('says that a verified client is verified', async () => {
      const { clientUrl, page } = await createWorld({ verified: true })
      await page.goto(`${clientUrl}/sign-in`)
      const text = await page.textContent('main')
      expect(text).toContain('This client is verified')
      expect(text).not.toContain('not verified')
    })

    it.each([
      '<script>alert(1)</script>',
      '<img src=x onerror=alert(1)>',
      '"><button>Allow</button>',
      "' onmouseover='alert(1)",
      '</title></style></textarea></noscript><script>alert(1)</script>',
      '<!-- ',
      '&lt;b&gt;&amp;amp;',
      '{{constructor.constructor("alert(1)")()}}',
      'שלום?',
    ])('shows the name %s as text', async (name) => {
      const { clientUrl, page, complaints } = await createWorld({ name })
      await page.goto(`${clientUrl}/sign-in`)
      expect(await page.getByRole('heading').textContent()).toBe(`Allow ${name} to use your Telnyx account?`)
      expect(await page.title()).toBe(`Allow ${name}?`)
      expect(await page.locator('script, iframe, [onerror], [onmouseover], img').count()).toBe(0)
      expect(await page.getByRole('button').count()).toBe(2)
      await allow(page).click()
      await page.waitForURL(`${clientUrl}/callback?**`)
      expect(complaints).toEqual([])
    })

    it('isolates the direction of a name', async () => {
      const { clientUrl, page } = await createWorld({ name: 'שלום!' })
      await page.goto(`${clientUrl}/sign-in`)
      const [before = 0, word = 0, mark = 0, behind = 0] = await page.locator('h1').evaluate((heading) => {
        const leftOf = (node: number, start: number, end: number) => {
          const range = heading.ownerDocument.createRange()
          const child = heading.childNodes[node] ?? heading
          const text = child.firstChild ?? child
          range.setStart(text, start)
          range.setEnd(text, end)
          return range.getBoundingClientRect().left
        }
        return [leftOf(0, 0, 5), leftOf(1, 0, 4), leftOf(1, 4, 5), leftOf(2, 1, 3)]
      })
      // Right to left inside, left to right around it.
      expect([before, mark, word, behind].toSorted((a, b) => a - b)).toEqual([before, mark, word, behind])
    })

    it.each([
      ['a client that redirects to another origin', '/callback', 'localhost'],
      ['a client that redirects within its origin', '/callback', '127.0.0.1'],
    ])('lets %s do so', async (_, path, host) => {
      const { url: home } = await serve((_request, response) => response.end('home'))
      const there = new URL(home)
      there.hostname = host
      const { url } = await serve((_request, response) => {
        response.writeHead(302, { location: there.href }).end()
      })
      const { issuer, page, complaints } = await createWorld({
        requirePkce: false,
        clientType: 'confidential',
      })
      const query = new URLSearchParams({
        response_type: 'code',
        client_id: 'web-app',
        redirect_uri: url + path,
      })
      await page.goto(`${issuer.issuer}/v2/oauth/authorize?${query}`)
      await allow(page).click()
      await page.waitForURL(there.href)
      expect(await textOfPage(page)).toBe('home')
      expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
    })

    it('fits a narrow screen with large letters and any name', async () => {
      const { clientUrl, page } = await createWorld({ name: 'x'.repeat(200) })
      await page.setViewportSize({ width: 320, height: 640 })
      await page.goto(`${clientUrl}/sign-in`)
      await page.evaluate("document.documentElement.style.fontSize = '200%'")
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320)
    })

    it('shows the picture of the client, and works without a missing one', async () => {
      const picture = Buffer.from(
        'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
        'base64',
      )
      const { url } = await serve(({ url: path }, response) => {
        if (path === '/logo.png') response.writeHead(200, { 'content-type': 'image/png' }).end(picture)
        else response.writeHead(404).end()
      })
      for (const [path, width] of [
        ['/logo.png', 1],
        ['/none.png', 0],
      ] as const) {
        const { clientUrl, page } = await createWorld({ logoUri: url + path })
        await page.goto(`${clientUrl}/sign-in`)
        expect(await page.evaluate('document.images[0].naturalWidth')).toBe(width)
        expect(await allow(page).isVisible()).toBe(true)
      }
    })

    it('cannot be framed', async () => {
      const { issuer, clientUrl, page, complaints } = await createWorld()
      const inFrame = async (url: string) => {
        await page.goto(`${clientUrl}/framed?of=${encodeURIComponent(url)}`)
        return page.frameLocator('iframe').getByRole('button', { name: 'Allow' }).count()
      }
      expect(await inFrame(`${clientUrl}/plain`)).toBe(1)
      expect(await inFrame(`${clientUrl}/sign-in`)).toBe(0)
      expect(issuer.requests.authorize.count).toBe(1)
      expect(complaints.join()).toContain('frame-ancestors')
    })

    it('cannot be used twice', async () => {
      const { issuer, clientUrl, page } = await createWorld()
      await page.goto(`${clientUrl}/sign-in`)
      const form = await page.locator('form').evaluate((element) => element.outerHTML)
      await allow(page).click()
      await page.waitForURL(`${clientUrl}/callback?**`)
      await page.goto(`${issuer.issuer}/v2/oauth/authorize`)
      // The request of a copied page, from the issuer's own origin.
      const [, action = '', token = ''] = /action="([^"]+)".*value="([^"]+)"/s.exec(form) ?? []
      const answer = await page.request.post(issuer.issuer + action, {
        form: { consent_token: token, decision: 'allow' },
        maxRedirects: 0,
      })
      expect(answer.status()).toBe(422)
      expect(issuer.grants).toHaveLength(1)
    })

    it.each(['light', 'dark'] as const)('passes axe-core, %s', async (colorScheme) => {
      const { clientUrl, page } = await createWorld({
        policyUri: 'https://board.example/privacy',
        tosUri: 'https://board.example/terms',
      })
      await page.emulateMedia({ colorScheme })
      await page.goto(`${clientUrl}/sign-in`)
      await page.evaluate(await readFile(AXE, 'utf8'))
      const violations = await page.evaluate(
        'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))',
      )
      expect(violations).toEqual([])
      // The control: axe-core finds an error.
      await page.locator('html').evaluate((element) => element.removeAttribute('lang'))
      expect(await page.evaluate('axe.run().then(({ violations }) => violations.length)')).toBe(1)
    })

    it('shows an error page for an error that must not be reported to the client', async () => {
      const { issuer, page, complaints } = await createWorld()
      const response = await page.goto(`${issuer.issuer}/v2/oauth/authorize?client_id=unknown`)
      expect(response?.status()).toBe(404)
      expect(await page.getByRole('heading').textContent()).toBe('This sign-in cannot go on')
      await page.evaluate(await readFile(AXE, 'utf8'))
      expect(await page.evaluate('axe.run().then(({ violations }) => violations.length)')).toBe(0)
      expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
    })

    it('looks like the picture in the README', async () => {
      const { clientUrl, page } = await createWorld(
        {
          name: 'Message Board',
          policyUri: 'https://board.example/privacy',
          tosUri: 'https://board.example/terms',
        },
        'messaging.read messaging.write numbers.read',
      )
      await page.emulateMedia({ colorScheme: 'light' })
      await page.goto(`${clientUrl}/sign-in`)
      const size = { width: 640, height: 640 }
      await page.setViewportSize(size)
      const picture = await page.screenshot()
      // Fonts differ between machines, so only the size of the picture is compared.
      if (process.env.UPDATE_SCREENSHOT) await writeFile(SCREENSHOT, picture)
      const readme = await readFile(join(ROOT, 'packages/mock-issuer/README.md'), 'utf8')
      expect(readme).toContain('](consent-page.png)')
      expect(sizeOfPng(await readFile(SCREENSHOT))).toEqual(sizeOfPng(picture))
    })
  })

  describe('a client in a browser (Fetch standard, CORS protocol)', () => {
    async function createWorld() {
      const issuer = await createMockIssuer({ algorithm: 'ES256', clients: [] })
      onTestFinished(() => issuer.close())
      const url = await issuer.listen()
      const page = currentPage()
      const register = (from: Page): Promise<unknown> =>
        from.evaluate(`(${REGISTER})(${JSON.stringify(url)})`)
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
})

/** The size in the IHDR chunk, which comes first. */
function sizeOfPng(picture: Buffer): { width: number; height: number } {
  expect(picture.subarray(1, 4).toString()).toBe('PNG')
  return { width: picture.readUInt32BE(16), height: picture.readUInt32BE(20) }
}
