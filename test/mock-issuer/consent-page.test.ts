import { createHash } from 'node:crypto'
import { type ClientSeed, createMockIssuer, type MockIssuer } from '@telnyx-auth/mock-issuer'
import { describe, expect, it } from 'vitest'
import {
  createPkcePair,
  manage,
  openConsentPage,
  requestAuthorization,
} from '../support/authorization-flow.js'
import { postForm, postJson, readObject, rejectionOf } from '../support/oauth-requests.js'

const BASE = 'https://api.telnyx.com'
const CALLBACK = 'https://app.example.com/callback'
const CLIENT = { clientId: 'app', name: 'Some app', scopes: ['messaging.read'], redirectUris: [CALLBACK] }
const REQUEST = { response_type: 'code', client_id: 'app', redirect_uri: CALLBACK }

const NAMES = [
  '<b>bold</b>',
  '<script>alert(1)</script>',
  '</title><script>alert(1)</script>',
  '</h1></main></body></html><img src=x onerror=alert(1)>',
  '"><img src=x onerror="alert(1)">',
  "' onmouseover='alert(1)",
  '" autofocus onfocus="alert(1)',
  '<!-- ',
  '--> <!-- <script>',
  ']]>',
  '</style><style>*{display:none}</style>',
  '<bdi></bdi>',
  '&lt;b&gt; &amp; &#39;',
  '&quot;&#x22;&NewLine;',
  '<svg/onload=alert(1)>',
  '<SCRIPT SRC=//evil.example>',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text must not be a template
  '${1+1} {{1+1}} <%= 1 %> $& $1 $`',
  'مرحبا بالعالم',
  '<a href="javascript:alert(1)">Allow</a>',
  '電話 👋🏽 Ünïcödé',
]

/** Links that a browser would run, open in place of the page, or resolve to another address. */
const BAD_LINKS = [
  'javascript:alert(1)',
  'JAVASCRIPT:alert(1)',
  'javascript://app.example.com/%0aalert(1)',
  'java\nscript:alert(1)',
  '\tjavascript:alert(1)',
  '\u0000javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'data:image/svg+xml,<svg onload="alert(1)"/>',
  'vbscript:msgbox(1)',
  'VbScript:msgbox(1)',
  'blob:https://app.example.com/1',
  'file:///etc/passwd',
  'about:blank',
  'view-source:https://app.example.com',
  '//evil.example/x',
  '/v2/oauth/consent',
  '',
  'https://app.example.com:x/',
  'https://user:password@app.example.com/',
  'https://*.example.com/',
  'https://app.example.com/\r\nx',
]

/** The directives of the Content-Security-Policy of all pages. */
function policyOf(page: string, ...more: string[]): string {
  const styles = [...page.matchAll(/<style>([^<]*)<\/style>/g)].map(([, style = '']) => style)
  expect(styles).toHaveLength(1)
  const hash = createHash('sha256').update(styles.join('')).digest('base64')
  return [
    "default-src 'none'",
    `style-src 'sha256-${hash}'`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
    ...more,
  ].join('; ')
}

function expectHeaders(headers: Headers, policy: string): void {
  expect(Object.fromEntries(headers)).toEqual({
    'cache-control': 'no-store',
    'content-security-policy': policy,
    'content-type': 'text/html; charset=utf-8',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  })
}

interface Element {
  readonly tag: string
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * The tags of a page, and the text between them. Markup of a kind that the pages do not use fails the
 * test: no other quotes, no comments, no bare `<`, `>` or `&`.
 */
function parse(page: string): { elements: Element[]; text: string } {
  const tag = /<(\/?[a-z][a-z0-9]*|!doctype)((?: [a-z-]+(?:="[^"<>]*")?)*)>/g
  const elements = [...page.matchAll(tag)].map(([, name = '', attributes = '']) => ({
    tag: name,
    attributes: Object.fromEntries(
      [...attributes.matchAll(/ ([a-z-]+)(?:="([^"]*)")?/g)].map(([, key = '', value = '']) => [
        key,
        decodeEntities(value),
      ]),
    ),
  }))
  const text = page.replace(/<style>[^<]*<\/style>/, '').replace(tag, '')
  expect(text).not.toMatch(/[<>"']/)
  return { elements, text: decodeEntities(text) }
}

function decodeEntities(text: string): string {
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' }
  return text.replace(/&([^;]*;?)/g, (_, entity: string) => {
    const character = entities[entity.slice(0, -1)]
    if (character === undefined || !entity.endsWith(';')) throw new Error(`The entity ${entity} is not ours`)
    return character
  })
}

/** Tags and names of attributes: clients must not be able to add any. */
function skeletonOf(page: string): string[] {
  return parse(page).elements.map(({ tag, attributes }) => [tag, ...Object.keys(attributes)].join(' '))
}

function elementsOf(page: string, tag: string): Readonly<Record<string, string>>[] {
  return parse(page)
    .elements.filter((element) => element.tag === tag)
    .map(({ attributes }) => attributes)
}

function textOfElement(page: string, tag: string): string {
  const [, content = ''] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page) ?? []
  return decodeEntities(content.replaceAll(/<\/?bdi>/g, ''))
}

function open(client: ClientSeed = {}, issuer?: string): Promise<MockIssuer> {
  return createMockIssuer({ algorithm: 'ES256', issuer, clients: [{ ...CLIENT, ...client }] })
}

async function openPage(client: ClientSeed = {}, request: Readonly<Record<string, string>> = {}) {
  return openConsentPage(await open(client), { ...REQUEST, ...request })
}

describe('consent page', () => {
  it('names the client, the requested scopes, and the redirect URI', async () => {
    const { page, consentToken } = await openPage({ scopes: ['messaging.read', 'voice.write', 'admin'] })
    expect(page.startsWith('<!doctype html>\n<html lang="en">')).toBe(true)
    expect(textOfElement(page, 'title')).toBe('Allow Some app?')
    expect(textOfElement(page, 'h1')).toBe('Allow Some app to use your Telnyx account?')
    expect([...page.matchAll(/<li>([^<]*)<\/li>/g)].map(([, item]) => item)).toEqual([
      'See your messages, without changing anything',
      'Create, change and delete your calls',
      'Use the scope admin',
    ])
    const { text } = parse(page)
    expect(text).toContain('Mock issuer, for development and tests. This is not Telnyx.')
    expect(text).toContain('This client is not verified: it has chosen its name and picture itself.')
    expect(text).toContain('You return to https://app.example.com.')
    expect(elementsOf(page, 'form')).toEqual([{ method: 'post', action: '/v2/oauth/consent' }])
    expect(elementsOf(page, 'input')).toEqual([
      { type: 'hidden', name: 'consent_token', value: consentToken },
    ])
    expect(elementsOf(page, 'button')).toEqual([
      { name: 'decision', value: 'allow' },
      { name: 'decision', value: 'deny' },
    ])
    expect(elementsOf(page, 'img')).toEqual([])
    expect(elementsOf(page, 'a')).toEqual([])
  })

  it('says that a verified client is verified', async () => {
    const { text } = parse((await openPage({ verified: true })).page)
    expect(text).toContain('This client is verified.')
    expect(text).not.toContain('not verified')
  })

  it('says that a request without scopes asks for no permission', async () => {
    const { page } = await openPage({ scopes: [] })
    expect(parse(page).text).toContain('It asks for no particular permission.')
    expect(elementsOf(page, 'li')).toEqual([])
  })

  it('lists the requested scopes, not all allowed ones', async () => {
    const { page } = await openPage({ scopes: ['messaging.read', 'voice.read'] }, { scope: 'voice.read' })
    expect(elementsOf(page, 'li')).toHaveLength(1)
    expect(parse(page).text).toContain('See your calls')
  })

  it('has links and a picture that send no Referer', async () => {
    const { page } = await openPage({
      logoUri: 'https://cdn.example.com/logo.png?a=1&b=2',
      policyUri: 'https://app.example.com/policy',
      tosUri: 'http://app.example.com/tos#part',
    })
    expect(elementsOf(page, 'img')).toEqual([
      { src: 'https://cdn.example.com/logo.png?a=1&b=2', alt: '', referrerpolicy: 'no-referrer' },
    ])
    expect(elementsOf(page, 'a')).toEqual([
      { href: 'https://app.example.com/policy', target: '_blank', rel: 'noopener noreferrer' },
      { href: 'http://app.example.com/tos#part', target: '_blank', rel: 'noopener noreferrer' },
    ])
  })

  it('has no script, no style attribute and no event handler', async () => {
    const { page } = await openPage({ logoUri: CALLBACK, policyUri: CALLBACK, tosUri: CALLBACK })
    expect(page).not.toMatch(/<script/i)
    for (const { attributes } of parse(page).elements)
      for (const name of Object.keys(attributes)) expect(name).not.toMatch(/^(?:on|style)/)
  })

  it('does not contain secrets, or ids that the browser does not need', async () => {
    const { challenge } = createPkcePair()
    const state = 'the-state-of-the-client'
    const { page } = await openPage({ clientSecret: 'the-secret' }, { ...challenge, state })
    for (const secret of ['the-secret', state, challenge.code_challenge]) expect(page).not.toContain(secret)
  })

  it.each([
    ['https://as.example.com/tenants/7', '/tenants/7/v2/oauth/consent'],
    ['https://as.example.com/', '/v2/oauth/consent'],
    ['https://as.example.com/a"><b>\'&c', "/a%22%3E%3Cb%3E'&c/v2/oauth/consent"],
  ])('of %s sends its form to that issuer', async (identifier, action) => {
    const issuer = await open({}, identifier)
    const { origin, pathname } = new URL(identifier)
    const base = origin + pathname.replace(/\/$/, '')
    const response = await issuer.fetch(`${base}/v2/oauth/authorize?${new URLSearchParams(REQUEST)}`)
    const page = await response.text()
    expect(elementsOf(page, 'form')).toEqual([{ method: 'post', action }])
    const fields = { consent_token: elementsOf(page, 'input')[0]?.value ?? '', decision: 'deny' }
    const manual: typeof globalThis.fetch = (url, init) => issuer.fetch(url, { ...init, redirect: 'manual' })
    const answer = await postForm(manual, origin + action, fields)
    expect(answer.headers.get('location')).toBe(`${CALLBACK}?error=access_denied`)
  })
})

describe('headers of the consent page', () => {
  it.each([
    ['https', CALLBACK, CALLBACK, 'https://app.example.com'],
    ['https with a port', 'https://app.example.com:8443/a?b', undefined, 'https://app.example.com:8443'],
    ['a host in capitals', 'https://APP.example.com/cb', undefined, 'https://app.example.com'],
    ['a host with an underscore', 'http://my_app:3000/cb', undefined, 'http://my_app:3000'],
    ['http', 'http://app.example.com/cb', undefined, 'http://app.example.com'],
    ['loopback', 'http://127.0.0.1/cb', 'http://127.0.0.1:4321/cb', 'http://127.0.0.1:4321'],
    ['loopback by name', 'http://localhost:1/cb', 'http://localhost:2/cb', 'http://localhost:2'],
    ['loopback without port', 'http://localhost:1/cb', 'http://localhost/cb', 'http://localhost'],
    ['IPv6', 'http://[::1]/cb', 'http://[::1]:4321/cb', 'http://[::1]:4321'],
    ['IPv6 with https', 'https://[2001:db8::1]/cb', undefined, 'https://[2001:db8::1]'],
    ['an app', 'com.example.app:/cb', undefined, 'an app on this device (com.example.app:)'],
    [
      'an app like a host',
      'accounts.telnyx.com:/cb',
      undefined,
      'an app on this device (accounts.telnyx.com:)',
    ],
    ['an app with a host', 'cursor://host.example/cb?x=1', undefined, 'an app on this device (cursor:)'],
    ['an app in capitals', 'MyApp+1.x-y:/cb', undefined, 'an app on this device (myapp+1.x-y:)'],
    [
      'what looks like a policy',
      "https://app.example.com/;script-src'*'",
      undefined,
      'https://app.example.com',
    ],
    ['an app that looks like a policy', "app:/;script-src'*'", undefined, 'an app on this device (app:)'],
  ])(
    'are the same for each redirect URI, which the page shows: %s',
    async (_, registered, requested, shown) => {
      const redirectUri = requested ?? registered
      const { page, headers } = await openPage({ redirectUris: [registered] }, { redirect_uri: redirectUri })
      // No `form-action`: Chromium would apply it to the redirects of the client as well.
      expectHeaders(headers, policyOf(page))
      expect(parse(page).text).toContain(`You return to ${shown}.`)
    },
  )

  it.each([
    ['https://cdn.example.com/logo.png', 'https:'],
    ['https://cdn.example.com:8443/logo.png?a;b', 'https:'],
    ["http://cdn.example.com/;script-src'unsafe-inline'", 'http:'],
    ['https://[2001:db8::1]/logo.png', 'https:'],
  ])('allow the picture of the client: %s', async (logoUri, source) => {
    const { page, headers } = await openPage({ logoUri })
    expectHeaders(headers, policyOf(page, `img-src ${source}`))
  })
})

describe('the metadata of a client', () => {
  it.each(NAMES)('is shown as text: the name %j', async (name) => {
    const { page: harmless } = await openPage()
    const { page, headers } = await openPage({ name })
    expect(skeletonOf(page)).toEqual(skeletonOf(harmless))
    expect(textOfElement(page, 'title')).toBe(`Allow ${name}?`)
    expect(textOfElement(page, 'h1')).toBe(`Allow ${name} to use your Telnyx account?`)
    // Right-to-left letters do not reorder the text beside them.
    expect(page).toMatch(/<h1>Allow <bdi>[^<]*<\/bdi> to use/)
    expectHeaders(headers, policyOf(page))
  })

  it.each(NAMES)('is shown as text if it was registered, created or updated: the name %j', async (name) => {
    const issuer = await open()
    const registration = { client_name: name, redirect_uris: [CALLBACK] }
    const creation = {
      name,
      redirect_uris: [CALLBACK],
      client_type: 'confidential',
      allowed_scopes: ['messaging.read'],
      allowed_grant_types: ['authorization_code'],
    }
    expect((await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, registration)).status).toBe(201)
    expect((await manage(issuer, 'POST', 'oauth_clients', creation)).status).toBe(201)
    expect((await manage(issuer, 'PUT', 'oauth_clients/app', { name })).status).toBe(200)
    const ids = issuer.clients.map(({ clientId }) => clientId)
    expect(ids).toHaveLength(3)
    for (const clientId of ids) {
      const request = { ...REQUEST, client_id: clientId, scope: 'messaging.read' }
      const { page } = await openConsentPage(issuer, request)
      expect(skeletonOf(page)).toEqual(skeletonOf((await openPage()).page))
      expect(textOfElement(page, 'title')).toBe(`Allow ${name}?`)
    }
  })

  it('is escaped in each place', async () => {
    const hostile = `<x-mark>"'&amp;`
    const url = `https://app.example.com/?q=${hostile}`
    const links = { logoUri: url, policyUri: url, tosUri: url }
    const harmlessLinks = { logoUri: CALLBACK, policyUri: CALLBACK, tosUri: CALLBACK }
    const scope = `<x-mark>'&amp;</ul>`
    const clientId = `"><x-mark>`
    const { page } = await openPage(
      { ...links, clientId, name: hostile, scopes: [scope], redirectUris: [url] },
      { client_id: clientId, redirect_uri: url, state: hostile, scope, unknown: hostile },
    )
    expect(skeletonOf(page)).toEqual(skeletonOf((await openPage({ ...harmlessLinks })).page))
    expect(page).not.toContain('<x-mark')
    expect(elementsOf(page, 'img')[0]?.src).toBe(url)
    expect(elementsOf(page, 'a').map(({ href }) => href)).toEqual([url, url])
    expect(parse(page).text).toContain(`Use the scope ${scope}`)
  })

  it('is escaped in the picture and the links of an app', async () => {
    const redirectUri = 'com.example.app:/"><x-mark>'
    const { page } = await openPage({ redirectUris: [redirectUri] }, { redirect_uri: redirectUri })
    expect(page).not.toContain('<x-mark')
    expect(parse(page).text).toContain('You return to an app on this device (com.example.app:).')
  })
})

describe('refused links', () => {
  const MEMBERS = [
    ['logo_uri', 'logoUri'],
    ['policy_uri', 'policyUri'],
    ['tos_uri', 'tosUri'],
    ['redirect_uris', 'redirectUris'],
  ] as const
  const creation = {
    name: 'App',
    redirect_uris: [CALLBACK],
    client_type: 'public',
    allowed_scopes: [],
    allowed_grant_types: ['authorization_code'],
  }

  describe.each(MEMBERS)('%s', (member, option) => {
    const inDocument = (link: string): string | string[] => (member === 'redirect_uris' ? [link] : link)

    it('is accepted by each operation if it is valid', async () => {
      const issuer = await open({ [option]: inDocument(CALLBACK) })
      const document = { [member]: inDocument(CALLBACK) }
      const register = await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, document)
      expect(register.status).toBe(201)
      expect((await manage(issuer, 'POST', 'oauth_clients', { ...creation, ...document })).status).toBe(201)
      expect((await manage(issuer, 'PUT', 'oauth_clients/app', document)).status).toBe(200)
    })

    it.each(BAD_LINKS)('%j', async (link) => {
      const value = inDocument(link)
      const issuer = await open()
      const document = { [member]: value }

      const registered = await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, document)
      expect(registered.status).toBe(400)
      const refusal = { error: 'invalid_client_metadata', invalid_fields: { [member]: expect.any(Array) } }
      expect(await readObject(registered)).toEqual({ ...refusal, error_description: expect.any(String) })

      for (const response of [
        await manage(issuer, 'POST', 'oauth_clients', { ...creation, ...document }),
        await manage(issuer, 'PUT', 'oauth_clients/app', document),
        await manage(issuer, 'PUT', 'oauth/clients/app', { name: 'Changed', ...document }),
      ]) {
        expect(response.status).toBe(422)
        expect(await readObject(response)).toEqual({
          error: 'invalid_request',
          error_description: expect.any(String),
          invalid_fields: { [member]: expect.any(Array) },
        })
      }
      expect(issuer.clients).toHaveLength(1)
      expect(issuer.clients[0]).toMatchObject({
        name: CLIENT.name,
        redirectUris: [CALLBACK],
        logoUri: undefined,
      })

      const error = await rejectionOf(open({ [option]: value }))
      expect(error).toBeInstanceOf(TypeError)
      expect(String(error)).toContain(`"${option}" of a client`)
    })
  })

  it.each([
    ['a line break', 'a\nb'],
    ['a NUL', 'a\0b'],
    ['an escape', 'a\u001bb'],
    ['a control character beyond ASCII', 'a\u0085b'],
    ['nothing', ''],
    ['a value that is too long', 'x'.repeat(2001)],
  ])('and a name with %s', async (_, name) => {
    const issuer = await open()
    const registered = await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, { client_name: name })
    expect(await readObject(registered)).toMatchObject({
      invalid_fields: { client_name: expect.any(Array) },
    })
    for (const response of [
      await manage(issuer, 'POST', 'oauth_clients', { ...creation, name }),
      await manage(issuer, 'PUT', 'oauth_clients/app', { name }),
    ])
      expect(await readObject(response)).toMatchObject({ invalid_fields: { name: expect.any(Array) } })
    expect(issuer.clients.map((client) => client.name)).toEqual(['Some app'])
    expect(await rejectionOf(open({ name }))).toBeInstanceOf(TypeError)
  })
})

describe('error page', () => {
  const MARK = 'x-mark"\'><script>alert(1)</script>'

  async function expectErrorPage(response: Response, status: number, sentence: string): Promise<void> {
    expect(response.status).toBe(status)
    const page = await response.text()
    expectHeaders(response.headers, policyOf(page, "form-action 'none'"))
    expect(page.startsWith('<!doctype html>\n<html lang="en">')).toBe(true)
    expect(textOfElement(page, 'title')).toBe('This sign-in cannot go on')
    expect(textOfElement(page, 'h1')).toBe('This sign-in cannot go on')
    expect(parse(page).text).toContain(sentence)
    for (const shown of ['x-mark', 'alert', 'Some app', 'app.example.com', 'evil.example'])
      expect(page).not.toContain(shown)
    for (const tag of ['form', 'a', 'img', 'input', 'script']) expect(elementsOf(page, tag)).toEqual([])
  }

  it.each([
    ['a client is missing', 400, { client_id: '' }, 'The request does not name a client.'],
    ['a redirect URI is missing', 400, { redirect_uri: '' }, 'The request does not say where to return to.'],
    ['a client is unknown', 404, { client_id: MARK }, 'The client of this request is not known.'],
    [
      'a redirect URI is not registered',
      422,
      { redirect_uri: `https://evil.example/${MARK}` },
      'The client has not registered where this request returns to.',
    ],
  ])('for %s shows nothing of the request', async (_, status, fields, sentence) => {
    const request = { ...REQUEST, state: MARK, scope: MARK, code_challenge: MARK, [MARK]: MARK, ...fields }
    await expectErrorPage(await requestAuthorization(await open(), request), status, sentence)
  })

  it('for a repeated parameter shows nothing of the request', async () => {
    const request: [string, string][] = [...Object.entries(REQUEST), ['state', MARK], ['state', MARK]]
    const response = await requestAuthorization(await open(), request)
    await expectErrorPage(response, 400, 'A parameter of the request is repeated.')
  })

  it('of the form shows nothing of the request', async () => {
    const issuer = await open()
    const fields = { consent_token: MARK, decision: MARK, [MARK]: MARK }
    const response = await postForm(issuer.fetch, `${BASE}/v2/oauth/consent`, fields)
    await expectErrorPage(response, 422, 'This page was used already, or is too old.')
  })
})

describe('refused names', () => {
  it.each([
    ['a character that changes the direction of text', '\u202eevil'],
    ['a character that ends the isolation of a name', '\u2069\u202eevil'],
    ['a direction mark', 'a\u200f'],
    ['only a space', ' '],
    ['only a joiner', '\u200d'],
    ['only a Hangul filler', '\u3164'],
    ['an empty Braille pattern', 'a \u2800'],
    ['an invisible character', 'Tel\u200bnyx'],
    ['a soft hyphen', 'Tel\u00adnyx'],
    ['annotation marks', 'a\ufff9b\ufffbc'],
    ['two special spaces in a row', `a${'\u00a0'.repeat(2)}b`],
    ['lines', 'a\u2028b'],
    ['half a character', 'a\ud800'],
    ['a stack of combining marks', `M${'\u0310\u0300\u0352\u035b\u0316'}`],
    ['a tag without a flag', 'a\u{e0067}\u{e007f}'],
    ['a variation selector without a Han character', 'a\u{e0100}'],
    ['a name that fills the page', 'x'.repeat(201)],
  ])('%s', async (_, name) => {
    const issuer = await open()
    const answers = [
      await postJson(issuer.fetch, `${BASE}/v2/oauth/register`, { client_name: name }),
      await manage(issuer, 'POST', 'oauth_clients', {
        name,
        client_type: 'public',
        allowed_scopes: [],
        allowed_grant_types: [],
      }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([400, 422])
    await expect(open({ name })).rejects.toBeInstanceOf(TypeError)
  })

  it.each([
    'e\u0301',
    'नमस्ते दुनिया',
    'ภาษาไทย',
    '👩\u200d💻',
    '❤\ufe0f',
    'O’Brien und Söhne (Test)  v1.0',
    'လျှို့ဝှက် မြွှေ့',
    '\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} England',
    '葛\u{e0100}城',
    '\u1820\u180b',
    'می\u200cخواهم',
    'שָׁלוֹם',
    'a',
    '-',
    'x'.repeat(200),
  ])('do not include %s', async (name) => {
    expect((await openPage({ name })).page).toContain(`<bdi>${name}</bdi>`)
  })
})
