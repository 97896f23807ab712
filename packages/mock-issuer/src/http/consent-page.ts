import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'
import { isLoopback } from '../protocol/client-document.js'
import type { AuthorizationRequest } from '../state/authorization.js'
import { BASE_STYLE, pageHeaders } from './page-parts.js'
import { describeScope } from './scope-descriptions.js'

/** An HTML page with its status and headers. */
export interface Page {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const STYLE = `${BASE_STYLE}
body { display: grid; place-content: center; min-height: 100vh; grid-template-columns: minmax(0, 30rem) }
main { padding: 1rem }
h1 { font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere }
h1 bdi { border-bottom: .125rem dotted }
img { display: block; max-width: 4rem; max-height: 4rem }
li, p { overflow-wrap: anywhere }
ul { padding-left: 1.25rem }
.unverified { font-weight: bold }
form { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1.5rem }
button[value=allow] { background: #00563f; border-color: #00563f; color: #fff }
`

const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`

/**
 * The page on which the user allows or denies a request. Text that a client registered is escaped. The schemes of its
 * URLs were checked at registration.
 *
 * @param action the path that the form is sent to
 */
export function consentPage(request: AuthorizationRequest, consentToken: string, action: string): Page {
  const { client, documentHost, redirectUri, scopes } = request
  const { name, verified, logoUri, policyUri, tosUri } = client
  // `bdi`: a right-to-left name must not reorder the text beside it.
  const title = html`Allow <bdi>${name}</bdi> to use your Telnyx account?`
  const body = html`${
    verified
      ? html`<p>This client is verified.</p>`
      : documentHost === undefined
        ? html`<p class="unverified">This client is not verified: it has chosen its name and picture itself.</p>`
        : html`<p class="unverified">This client comes from <bdi>${documentHost}</bdi>. It is not verified: it has chosen its name itself.</p>`
  }
    ${logoUri && html`<img src="${logoUri}" alt="" referrerpolicy="no-referrer">`}
    <h1>${title}</h1>
    ${
      scopes.length === 0
        ? html`<p>It asks for no particular permission.</p>`
        : html`<p id="scopes">It asks for permission to:</p>
    <ul aria-labelledby="scopes">${scopes.map((scope) => html`<li>${describeScope(scope).description}</li>`)}</ul>`
    }
    ${policyUri && html`<p>${link(policyUri, 'Its privacy policy')}</p>`}
    ${tosUri && html`<p>${link(tosUri, 'Its terms of service')}</p>`}
    <p>You return to ${destination(redirectUri)}.</p>${
      documentHost !== undefined &&
      staysOnDevice(redirectUri) &&
      // MCP authorization, "Localhost Redirect URI Risks": the document cannot prove which program listens there.
      html`
    <p class="unverified">Any program on this device can pretend to be this client. Allow only if you have started this sign-in yourself.</p>`
    }
    <form method="post" action="${action}">
      <input type="hidden" name="consent_token" value="${consentToken}">
      <button name="decision" value="allow">Allow</button>
      <button name="decision" value="deny">Deny</button>
    </form>`
  // Without `form-action`: Chromium applies it to all redirects after the form, and those of the client are not known.
  return page(
    200,
    `Allow ${name}?`,
    body,
    logoUri === undefined ? [] : [`img-src ${new URL(logoUri).protocol}`],
  )
}

/** The page for an error that must not be reported at the redirect URI. */
export function errorPage(status: number, message: string): Page {
  const body = html`<h1>This sign-in cannot go on</h1>
    <p>${message}</p>
    <p>Go back to where you came from, and tell its developers.</p>`
  return page(status, 'This sign-in cannot go on', body, ["form-action 'none'"])
}

/** The page as an HTTP response. */
export function toResponse({ body, ...init }: Page): Response {
  return new Response(body, init)
}

function page(status: number, title: string, body: unknown, policies: readonly string[]): Page {
  return {
    status,
    body: String(html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>${title}</title>
    <style>${raw(STYLE)}</style>
  </head>
  <body>
    <main>
    <p class="mock">Mock issuer, for development and tests. This is not Telnyx.</p>
    ${body}
    </main>
  </body>
</html>
`),
    headers: pageHeaders(STYLE_SOURCE, policies),
  }
}

function link(url: string, text: string): unknown {
  return html`<a href="${url}" target="_blank" rel="noopener noreferrer">${text}</a>`
}

/** Whether a program on the user's device receives the code: at a loopback address, or by a scheme of its own. */
function staysOnDevice(uri: string): boolean {
  return !/^https?:/i.test(uri) || isLoopback(uri)
}

/** The part of a redirect URI that users can judge: the origin, or that it is an app. */
function destination(uri: string): unknown {
  const { origin, protocol } = new URL(uri)
  return /^https?:$/.test(protocol)
    ? html`<bdi>${origin}</bdi>`
    : html`an app on this device (<bdi>${protocol}</bdi>)`
}
