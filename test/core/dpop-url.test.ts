import { describe, expect, it } from 'vitest'
import { normalizedUrl } from '../../packages/core/src/testing.js'
import { scale } from '../support/scale.js'

/** O2: the normal form of URLs (RFC 3986 §6.2), for URLs that somebody has put together to confuse parsers. */

const PIECES: readonly string[] = [
  'https:',
  'HTTPS:',
  'http:',
  'wss:',
  '/',
  '//',
  '///',
  '\\',
  'api.example.com',
  'evil.example',
  'API',
  '.',
  '..',
  '@',
  ':',
  ':443',
  ':80',
  ':0443',
  'user',
  '?',
  '#',
  '%2e',
  '%2E%2e',
  '%2f',
  '%5c',
  '%40',
  '%61',
  '%7e',
  '%zz',
  '%',
  '%25',
  '%2561',
  'a',
  '~',
  ';',
  '[::1]',
  '0x7f.1',
  '127.1',
  '\t',
  '\n',
  '\r',
  ' ',
  '\u0000',
  'é',
  '\u3002',
  '\uff0f',
  '\u2044',
  '|',
  '^',
  '"',
  '<',
  '{',
  '&',
  '=',
  ',',
  '*',
  'x'.repeat(50),
]

/** The same in each run. */
function* randomTexts(count: number): Generator<string> {
  let state = 1
  const next = (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
  const starts = [
    '',
    'https://api.example.com/',
    'https://api.example.com',
    'https://',
    'http://api.example.com',
  ]
  for (let index = 0; index < count; index++) {
    const pieces = Array.from({ length: next(9) }, () => PIECES[next(PIECES.length)])
    yield `${starts[index % starts.length]}${pieces.join('')}`
  }
}

describe('O2: normalizedUrl', () => {
  it('never throws, is stable, and agrees with the URL parser about the origin', () => {
    const wrong: string[] = []
    let accepted = 0
    for (const text of randomTexts(scale(20_000, 200_000))) {
      const normal = normalizedUrl(text)
      if (normal === undefined) continue
      accepted++
      const { origin, username, password, hash, search } = new URL(normal)
      const isGood =
        normalizedUrl(normal) === normal &&
        new URL(text).origin === origin &&
        normal.startsWith(`${origin}/`) &&
        /^[\x21-\x7e]+$/.test(normal) &&
        `${username}${password}${hash}${search}` === '' &&
        !/\/\.{1,2}(?:\/|$)/.test(normal) &&
        !/%(?:2d|2e|5f|7e|3\d|[46][1-9a-f]|[57][0-9a])/i.test(normal)
      if (!isGood) wrong.push(`${JSON.stringify(text)}: ${normal}`)
    }
    expect(wrong).toEqual([])
    expect(accepted).toBeGreaterThan(1000)
  })

  it('takes linear time', () => {
    const started = process.cpuUsage().user
    for (const piece of ['/', '%2e', '../', '/..', 'a', '%', '@', '?#', '.'])
      normalizedUrl(`https://api.example.com/${piece.repeat(8192 / piece.length)}`)
    expect(process.cpuUsage().user - started).toBeLessThan(1e6)
  })
})
