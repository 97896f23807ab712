import { create } from './browser.js'

/** Takes a token apart, for people. Nothing of it is verified. */

const TIMES = ['exp', 'iat', 'nbf', 'auth_time']

/**
 * The parts of a token as tables, or why there are none.
 *
 * @param {string} token
 * @returns {HTMLElement[]}
 */
export function describeParts(token) {
  if (token === '') return []
  const parts = token.split('.')
  if (parts.length !== 3)
    return [create('p', {}, 'This is no JWT: it does not have three parts. Only its issuer can read it.')]
  const [header = '', claims = '', signature = ''] = parts
  return [
    describePart('Header', header),
    describePart('Claims', claims),
    create('p', {}, `Signature: ${signature.length} characters of base64url.`),
  ]
}

/**
 * @param {string} title
 * @param {string} encoded
 * @returns {HTMLElement}
 */
function describePart(title, encoded) {
  const members = parse(encoded)
  if (!members) return create('p', {}, `${title}: this is no JSON object in base64url.`)
  const rows = Object.entries(members).map(([name, value]) =>
    create(
      'tr',
      {},
      create('th', { scope: 'row' }, create('code', {}, name)),
      create(
        'td',
        {},
        create('code', {}, create('bdi', {}, typeof value === 'string' ? value : JSON.stringify(value))),
        ...(TIMES.includes(name) && typeof value === 'number' ? [describeTime(value)] : []),
      ),
    ),
  )
  return create('table', {}, create('caption', {}, title), create('tbody', {}, ...rows))
}

/**
 * @param {string} encoded
 * @returns {object | undefined}
 */
function parse(encoded) {
  try {
    const binary = atob(encoded.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * @param {number} seconds since the epoch
 * @returns {HTMLElement}
 */
function describeTime(seconds) {
  const date = new Date(seconds * 1000)
  const text = Number.isNaN(date.getTime())
    ? 'no date'
    : `${date.toLocaleString()}, ${describeDistance(seconds - Date.now() / 1000)}`
  return create('span', { class: 'note' }, text)
}

/**
 * @param {number} seconds from now
 * @returns {string}
 */
function describeDistance(seconds) {
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
  const size = Math.abs(seconds)
  if (size < 60) return format.format(Math.round(seconds), 'second')
  if (size < 3600) return format.format(Math.round(seconds / 60), 'minute')
  if (size < 2 * 86_400) return format.format(Math.round(seconds / 3600), 'hour')
  return format.format(Math.round(seconds / 86_400), 'day')
}
