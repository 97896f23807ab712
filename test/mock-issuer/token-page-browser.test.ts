import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { getAuth, telnyxAuth } from '@telnyx-auth/express'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import type { Page } from 'playwright-core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { browserPath, usePage } from '../support/browser.js'
import { serve } from '../support/http.js'

/** The page to try tokens on, in Debian's Chromium. */

const AUDIENCE = 'https://api.example.com'
const AXE = fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url))

/** The element that has the focus, if any. */
const FOCUSED = `(({ id, value, textContent, localName }) =>
  localName === 'body' ? '' : id || value || textContent)(document.activeElement)`

/** What happens when people come back to the page: it refreshes at once. */
const COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"

describe.skipIf(browserPath === undefined)('the token page in a browser', () => {
  const currentPage = usePage()

  /** Opens the page of a new issuer. */
  async function open(options: Parameters<typeof createMockIssuer>[0] = {}) {
    const issuer = await createMockIssuer({ algorithm: 'ES256', audience: AUDIENCE, ...options })
    await issuer.listen()
    onTestFinished(() => issuer.close())
    const page = currentPage()
    /** The errors on the browser's console, mostly from the Content-Security-Policy. */
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`)
      return dialog.dismiss()
    })
    await page.goto(issuer.tokenPageUrl ?? '')
    await page.getByText(issuer.issuer, { exact: true }).waitFor()
    return { issuer, page, complaints }
  }

  const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
  const tokenOf = (page: Page) => page.getByLabel('Access token').inputValue()
  /** Waits until the sentence stands there. */
  const says = (page: Page, sentence: string) => page.getByText(sentence, { exact: true }).first().waitFor()

  async function issue(page: Page): Promise<string> {
    await press(page, 'Issue')
    await says(page, 'Issued: see the token and its checks.')
    return tokenOf(page)
  }

  /** A member of the token, as the page shows it. */
  const memberOf = (page: Page, name: string) =>
    page
      .getByRole('row')
      .filter({ has: page.getByRole('rowheader', { name, exact: true }) })
      .getByRole('cell')

  it('leads from the form to the parts of a token, its checks, and an API that accepts it', async () => {
    const { issuer, page, complaints } = await open({
      clients: [
        { clientId: 'board', name: 'Message Board' },
        { clientId: 'reports', name: 'Reports', scopes: ['reporting.read'] },
      ],
    })
    const api = express()
    api.use(telnyxAuth({ issuer: issuer.issuer, audience: AUDIENCE }))
    api.get('/', (req, res) => {
      const { clientId, subject, scopes } = getAuth(req)
      res.json({ clientId, subject, scopes })
    })
    const { url: apiUrl } = await serve(api)

    await page.getByLabel('Client').selectOption('reports')
    expect(await page.getByRole('group', { name: 'Scopes' }).getByRole('checkbox').count()).toBe(1)
    await page.getByLabel('reporting.read').check()
    await page.getByLabel('Subject').fill('user-1')
    await page.getByLabel('Lifetime in seconds').fill('120')
    await page.getByLabel('Algorithm').selectOption('EdDSA')
    await page.getByLabel('URL of your API').fill(`${apiUrl}/`)
    await issue(page)
    expect(await memberOf(page, 'alg').textContent()).toBe('EdDSA')
    expect(await memberOf(page, 'sub').textContent()).toBe('user-1')
    expect(await memberOf(page, 'aud').textContent()).toBe(AUDIENCE)
    expect(await memberOf(page, 'exp').textContent()).toMatch(/^\d+.*, in (2 minutes|\d\d seconds)$/)
    await says(page, 'Accepted: 16 checks passed.')
    await says(page, 'Introspection: the token is active.')

    const lines = await page.locator('#curl code').allTextContents()
    const answers = await Promise.all(lines.map(runCurl))
    expect(answers).toEqual([
      expect.objectContaining({ clientId: 'reports', subject: 'user-1', scopes: ['reporting.read'] }),
      expect.objectContaining({ active: true, scope: 'reporting.read' }),
    ])
    expect(complaints).toEqual([])
  })

  it('checks again when the audience or the token is typed', async () => {
    const { page, complaints } = await open()
    const token = await issue(page)
    const audience = page.getByLabel('Audience that your API expects')
    await audience.fill('https://other.example')
    await says(page, 'Refused: audience, ERR_AUDIENCE_NOT_ALLOWED.')
    expect(await page.locator('#checks li.failed').allTextContents()).toEqual([
      expect.stringMatching(/^✗ failed.*audience.*audience-other.*TELNYX_AUTH_AUDIENCE/),
    ])
    await audience.fill('')
    await says(page, 'Type the audience that your API expects.')
    await audience.fill(AUDIENCE)
    await says(page, 'Accepted: 16 checks passed.')

    const [header, , signature] = token.split('.')
    await page.getByLabel('Access token').fill(`${header}.e30.${signature}`)
    await page.getByText(/^Refused: issuer/).waitFor()
    await page.getByLabel('Access token').fill('opaque')
    await says(page, 'This is no JWT: it does not have three parts. Only its issuer can read it.')
    await page.getByLabel('Access token').fill('a.b.c')
    await says(page, 'Header: this is no JSON object in base64url.')
    await page.getByLabel('Access token').fill('')
    await page.locator('#checks:empty').waitFor({ state: 'attached' })
    expect(complaints).toEqual([])
  })

  it('shows that a revoked token is not active, and that its signature is as good as before', async () => {
    const { page, complaints } = await open()
    await press(page, 'Revoke')
    await says(page, 'There is no token to revoke')
    await issue(page)
    await press(page, 'Revoke')
    await says(page, 'Revoked: introspection now reports it as not active.')
    expect(await page.locator('#activity').textContent()).toContain('not active')
    await says(page, 'Accepted: 16 checks passed.')
    expect(complaints).toEqual([])
  })

  it('rotates keys: with the older ones gone, a token is refused', async () => {
    const { issuer, page, complaints } = await open()
    await issue(page)
    await press(page, 'Rotate keys')
    await says(page, 'A new key signs from now on.')
    expect(await page.locator('#keys li').count()).toBe(2)
    await says(page, 'Accepted: 16 checks passed.')
    await page.getByLabel('Keep the older keys').uncheck()
    await press(page, 'Rotate keys')
    await says(page, 'A new key signs from now on. The older keys are gone.')
    await says(page, 'Refused: key, ERR_KEY_NOT_FOUND.')
    expect(await page.locator('#keys li').count()).toBe(1)
    // Without the page, the issuer goes on as before.
    await issuer.rotateKeys()
    await page.evaluate(COME_BACK)
    await page.locator('#keys li').nth(1).waitFor()
    expect(complaints).toEqual([])
  })

  it('switches faults on and off, and the checks meet them', async () => {
    const { issuer, page, complaints } = await open()
    await issue(page)
    await page.getByLabel('Endpoint').selectOption('jwks')
    await page.getByLabel('What it does').selectOption('answers 503')
    await press(page, 'Switch on')
    await says(page, 'Not decided: key, ERR_KEYS_UNAVAILABLE.')
    expect((await fetch(`${issuer.issuer}/v2/oauth/jwks`)).status).toBe(503)
    await press(page, 'Switch off: jwks')
    await says(page, 'Accepted: 16 checks passed.')
    // The button is gone, and the focus is not lost with it.
    expect(await page.evaluate('document.activeElement.id')).toBe('clear-faults')
    await page.getByLabel('Number of requests').fill('2')
    await page.getByLabel('Endpoint').selectOption('token')
    await press(page, 'Switch on')
    await page.getByText('token answers 503, 2 requests').waitFor()
    await fetch(`${issuer.issuer}/v2/oauth/token`, { method: 'POST' })
    await page.evaluate(COME_BACK)
    await page.getByText('token answers 503, 1 request').waitFor()
    await press(page, 'Switch all off')
    await says(page, 'All faults are off.')
    expect(await page.locator('#faults li').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  it('lists the requests to the issuer, until they are paused', async () => {
    const { issuer, page, complaints } = await open()
    const rows = page.locator('#requests li')
    expect(await rows.count()).toBe(0)
    await fetch(`${issuer.issuer}/v2/oauth/token`, { method: 'POST' })
    await page.evaluate(COME_BACK)
    await rows.first().waitFor()
    expect(await rows.first().locator('span').allTextContents()).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d$/),
      'POST token',
      '400',
      'over HTTP',
    ])
    await press(page, 'Pause')
    await fetch(`${issuer.issuer}/v2/oauth/jwks`)
    issuer.fault('metadata', { status: 503 })
    await page.evaluate(COME_BACK)
    // Faults come with the requests, and are not paused.
    await page.locator('#faults li').waitFor()
    expect(await rows.count()).toBe(1)
    await press(page, 'Pause')
    await page.evaluate(COME_BACK)
    await rows.nth(1).waitFor()
    expect(complaints).toEqual([])
  })

  it('says so when the issuer ends, and when it is back', async () => {
    const { issuer, page } = await open()
    const { port } = new URL(issuer.issuer)
    await issuer.close()
    await says(page, 'The issuer does not answer. Is it still running?')
    await issuer.listen({ port: Number(port) })
    await page.locator('#connection:empty').waitFor({ state: 'attached' })
  })

  it('tries again when the issuer does not answer at first', async () => {
    const { page, complaints } = await open()
    await page.route(/\/token-page\/form$/, (route) => route.abort(), { times: 1 })
    await page.reload()
    await says(page, 'The issuer does not answer. Is it still running?')
    await page.evaluate(COME_BACK)
    await issue(page)
    expect(await page.locator('#algorithm option').count()).toBe(11)
    expect(complaints).toEqual([expect.stringContaining('Failed to load resource')])
  })

  it('copies the token', async () => {
    const { page, complaints } = await open()
    const token = await issue(page)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await press(page, 'Copy')
    await says(page, 'Copied.')
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(token)
    expect(complaints).toEqual([])
  })

  it('shows markup as text, in a client and in a claim', async () => {
    const texts = [
      '<img src=x onerror=alert(1)>',
      '</script><script>alert(1)</script>',
      '"><button>Issue</button>',
    ]
    const clients = texts.map((text) => ({ clientId: text, name: text, scopes: ['a'] }))
    const { issuer, page, complaints } = await open({ clients })
    expect(await page.locator('#client option').allTextContents()).toEqual(
      texts.map((text) => `${text} (${text})`),
    )
    const members = Object.fromEntries(texts.map((text) => [text, [text]]))
    const header = { kid: texts.join() }
    const token = await issuer.issueToken({ claims: { sub: texts.join(), ...members }, header })
    await page.getByLabel('Access token').fill(token)
    await page.getByText(/^Refused: key/).waitFor()
    for (const name of ['kid', 'sub']) expect(await memberOf(page, name).textContent()).toBe(texts.join())
    for (const text of texts) expect(await memberOf(page, text).textContent()).toBe(JSON.stringify([text]))
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  it('can be used with the keyboard only', async () => {
    const { page, complaints } = await open({ scopes: ['a'] })
    const labels: unknown[] = []
    // Each stop has a name, and none is a trap.
    for (let stops = 0; stops < 40; stops++) {
      await page.keyboard.press('Tab')
      const id = await page.evaluate(FOCUSED)
      if (id === '' || labels.includes(id)) break
      labels.push(id)
    }
    expect(labels).toEqual(
      expect.arrayContaining([
        'client',
        'audience',
        'Issue',
        'token',
        'revoke',
        'expected-audience',
        'pause',
      ]),
    )
    await page.getByLabel('Subject').focus()
    await page.keyboard.type('user-1')
    await page.keyboard.press('Enter')
    await says(page, 'Issued: see the token and its checks.')
    expect(await memberOf(page, 'sub').textContent()).toBe('user-1')
    expect(complaints).toEqual([])
  })

  it('fits a narrow screen, also with large letters', async () => {
    const { page } = await open({ clients: [{ name: 'x'.repeat(200), clientId: 'y'.repeat(200) }] })
    await page.setViewportSize({ width: 360, height: 640 })
    await issue(page)
    await page.getByLabel('Endpoint').selectOption('protectedResource')
    await press(page, 'Switch on')
    await page.locator('#requests li').first().waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
  })

  it.each([
    ['light', 360],
    ['dark', 1280],
  ] as const)('passes axe-core, %s, at %i pixels', async (colorScheme, width) => {
    const { page } = await open()
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 800 })
    await issue(page)
    await page.getByLabel('Audience that your API expects').fill('https://other.example')
    await page.getByText(/^Refused: audience/).waitFor()
    await press(page, 'Switch on')
    await page.getByText(/^On: /).waitFor()
    await page.getByLabel('Lifetime in seconds').fill('99999999999')
    await press(page, 'Issue')
    await page.getByText(/^The lifetime must be a whole number/).waitFor()
    await page.evaluate(await readFile(AXE, 'utf8'))
    const violations = await page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))',
    )
    expect(violations).toEqual([])
  })

  it('is out of reach for a page of another name that leads to this machine (DNS rebinding)', async () => {
    const { issuer, page } = await open()
    const { port } = new URL(issuer.issuer)
    // What a browser would send after the name has changed its address.
    await page.route(`http://evil.example:${port}/**`, async (route) => {
      const { pathname } = new URL(route.request().url())
      if (pathname === '/start') return route.fulfill({ contentType: 'text/html', body: '<!doctype html>' })
      const headers = { ...(await route.request().allHeaders()), host: `evil.example:${port}` }
      return route.fulfill({ response: await route.fetch({ url: issuer.issuer + pathname, headers }) })
    })
    await page.goto(`http://evil.example:${port}/start`)
    const statusOf = (path: string, init: object) =>
      page.evaluate(`fetch(${JSON.stringify(path)}, ${JSON.stringify(init)}).then(({ status }) => status)`)
    expect(await statusOf('/token-page/state', {})).toBe(421)
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: '{"keepOld":false}' }
    expect(await statusOf('/token-page/rotate-keys', init)).toBe(421)
  })

  it('obeys no other page of this machine, and shows it nothing', async () => {
    const { issuer, page } = await open()
    const { url } = await serve((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><form></form>')
    })
    const before = await (await fetch(`${issuer.issuer}/v2/oauth/jwks`)).json()
    await page.goto(url)
    const target = `${issuer.issuer}/token-page`
    const simple = `fetch('${target}/rotate-keys', { method: 'POST', mode: 'no-cors', body: '{"keepOld":false}' })`
    const json = `fetch('${target}/rotate-keys', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })`
    expect(await page.evaluate(`${simple}.then(({ type }) => type)`)).toBe('opaque')
    for (const request of [json, `fetch('${target}/state')`])
      expect(await page.evaluate(`${request}.then(() => 'read', () => 'refused')`)).toBe('refused')
    expect(await (await fetch(`${issuer.issuer}/v2/oauth/jwks`)).json()).toEqual(before)
  })
})

/** Lets a shell read a line for curl, which need not be installed, and sends what curl would. */
async function runCurl(line: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${line}`])
  const words = stdout.trimEnd().split('\n')
  const after = (option: string) => words[words.indexOf(option) + 1] ?? ''
  const [, name = '', value = ''] = /^(.+?): (.+)$/.exec(after('-H')) ?? []
  const body = words.includes('--data-urlencode') ? new URLSearchParams(after('--data-urlencode')) : null
  const response = await fetch(words.at(-1) ?? '', {
    method: body ? 'POST' : 'GET',
    headers: { [name]: value },
    body,
  })
  return response.json()
}
