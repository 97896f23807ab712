/** The part of the style that the pages of the issuer share. */
export const BASE_STYLE = `
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { margin: 0; background: Canvas; color: CanvasText }
a { color: inherit }
.mock { border: 1px solid; border-radius: .25rem; padding: .25rem .75rem }
button { font: inherit; padding: .5rem 1.5rem; border: 1px solid; border-radius: .25rem; cursor: pointer }
`

/**
 * The headers of a page that people see.
 *
 * @param styleSource where its style may come from, and
 * @param policies what else it may do, as directives of its Content-Security-Policy. The rest is forbidden
 */
export function pageHeaders(
  styleSource: string,
  policies: readonly string[],
): Readonly<Record<string, string>> {
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': [
      "default-src 'none'",
      `style-src ${styleSource}`,
      "base-uri 'none'",
      // RFC 9700 §4.16: a page that frames this one could steal a click on its buttons (clickjacking).
      "frame-ancestors 'none'",
      ...policies,
    ].join('; '),
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    // The linked pages must not see the request in the `Referer` header.
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  }
}
