/**
 * What a web page offers: `new WebSocket('wss://api.example.com', protocolsWith(token))`. A protocol may not have all characters
 * of a token, but those of base64url.
 *
 * @param {string} token
 */
export function protocolsWith(token) {
  const base64url = btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  return ['messages.v1', `base64url.bearer.${base64url}`]
}
