import { readFile } from 'node:fs/promises'
import { BASE_STYLE, pageHeaders } from '../page-parts.js'

const SCRIPTS = [
  'main.js',
  'browser.js',
  'issuer.js',
  'requests.js',
  'token.js',
  'token-check.js',
  'token-parts.js',
] as const

const DOCUMENT_HEADERS = {
  ...pageHeaders("'self'", [
    // Scripts are the files of this server only. No text becomes markup or a script, even if a script tries (Trusted Types).
    "script-src 'self'",
    "connect-src 'self'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

/** What the page is made of: the document, its style and its scripts, by path. */
export const ASSETS: ReadonlyMap<string, () => Promise<Response>> = new Map([
  ['/', async () => new Response(await read('index.html'), { headers: DOCUMENT_HEADERS })],
  ['/token-page/style.css', async () => asset(BASE_STYLE + (await read('style.css')), 'text/css')],
  ...SCRIPTS.map((name): [string, () => Promise<Response>] => [
    `/token-page/${name}`,
    async () => asset(await read(name), 'text/javascript'),
  ]),
])

async function read(name: string): Promise<string> {
  // Only when the page is asked for: Jest turns modules into CommonJS, which has no `import.meta`.
  const { FOLDER } = await import('./folder.js')
  return readFile(new URL(name, FOLDER), 'utf8')
}

function asset(text: string, type: string): Response {
  return new Response(text, {
    headers: {
      'Content-Type': `${type}; charset=utf-8`,
      'X-Content-Type-Options': 'nosniff',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Cache-Control': 'no-store',
    },
  })
}
