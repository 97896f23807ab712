import { describe, expect, it } from 'vitest'
import { NAMES_ELSEWHERE } from '../../packages/core/src/testing.js'
import { read } from '../docs/markdown.js'
import { membersOf, membersRead } from './declarations.js'
import { installedFile } from './installed.js'
import { DOCUMENTS, rowsIn } from './tables.js'

const declared = (name: string, path: string, ...beginnings: string[]) => {
  const declarations = installedFile(name, path)
  return beginnings.flatMap((beginning) => membersOf(declarations, beginning))
}

const prefixed = (prefix: string, names: readonly string[]) => names.map((name) => `${prefix}.${name}`)

const BEARER = 'dist/index.d.ts'
const bearer = (beginning: string) => declared('express-oauth2-jwt-bearer', BEARER, `interface ${beginning} `)

/** All options of a package, as its own files have them. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  'express-oauth2-jwt-bearer': [
    ...bearer('JwtVerifierOptions'),
    ...bearer('AuthOptions$1 extends JwtVerifierOptions'),
    ...prefixed('mcd', bearer('MCDOptions')),
    ...prefixed('dpop', bearer('DPoPOptions')),
    ...prefixed('mtls', bearer('MtlsOptions')),
    'getCertificate',
  ].filter((name) => !['mcd', 'dpop', 'mtls'].includes(name)),
  'express-jwt': declared('express-jwt', 'dist/index.d.ts', 'type Params = '),
  'koa-jwt': declared('koa-jwt', 'types/index.d.ts', 'interface Options '),
  'passport-jwt': membersRead(installedFile('passport-jwt', 'lib/strategy.js'), 'options'),
  'jwks-rsa': [
    ...new Set([
      ...declared(
        'jwks-rsa',
        'index.d.ts',
        'interface OptionsBase ',
        'interface OptionsWithUri extends OptionsBase ',
      ),
      'handleSigningKeyError',
    ]),
  ],
  jsonwebtoken: declared('@types/jsonwebtoken', 'index.d.ts', 'interface VerifyOptions '),
  'fastify-jwt-jwks': declared('fastify-jwt-jwks', 'index.d.ts', 'interface FastifyJwtJwksOptions ').flatMap(
    (name) => (name === 'cookie' ? ['cookie.cookieName', 'cookie.signed'] : [name]),
  ),
  'fast-jwt': declared('fast-jwt', 'src/index.d.ts', 'interface VerifierOptions '),
  jose: [
    ...declared(
      'jose',
      'dist/types/types.d.ts',
      'interface JWTClaimVerificationOptions ',
      'interface VerifyOptions extends CritOption ',
      'interface CritOption ',
    ),
    ...declared('jose', 'dist/types/jwks/remote.d.ts', 'interface RemoteJWKSetOptions '),
  ],
}

/** The page and the section with the options of a package. */
const PLACES: readonly (readonly [name: string, page: string, heading: string])[] = [
  ['express-oauth2-jwt-bearer', 'express-oauth2-jwt-bearer', 'Options'],
  ['express-jwt', 'express-jwt', 'Options'],
  ['koa-jwt', 'koa-jwt', 'Options'],
  ['passport-jwt', 'passport-jwt', 'Options'],
  ['jwks-rsa', 'jwks-rsa', 'Options of jwks-rsa'],
  ['jsonwebtoken', 'jwks-rsa', 'Options of jsonwebtoken'],
  ['fastify-jwt-jwks', 'fastify-jwt-jwks', 'Options'],
  ['fast-jwt', 'fastify-jwt-jwks', 'Options of fast-jwt'],
  ['jose', 'jose', 'Options'],
]

describe('every option has a row, and every row is an option', () => {
  it.each(PLACES)('%s', async (name, page, heading) => {
    const rows = rowsIn(await read(`${DOCUMENTS}/moving/${page}.md`), heading)
    const documented = rows.flatMap(([cell = '']) =>
      Array.from(cell.matchAll(/`([^`]+)`/g), ([, option]) => option),
    )
    const options = OPTIONS[name] ?? []
    expect(options.length).toBeGreaterThan(3)
    expect(documented.sort()).toEqual([...options].sort())
  })

  it('each row names a counterpart, or says why there is none', async () => {
    for (const [, page, heading] of PLACES)
      for (const [option, here = ''] of rowsIn(await read(`${DOCUMENTS}/moving/${page}.md`), heading))
        expect(here, `${page}: ${option}`).toMatch(/`|\]\(|^none[,:] \w/)
  })
})

it('each name that the checks of options know has such a row', async () => {
  const pages = await Promise.all(
    PLACES.map(async ([, page, heading]) => rowsIn(await read(`${DOCUMENTS}/moving/${page}.md`), heading)),
  )
  for (const [name, text] of NAMES_ELSEWHERE) {
    const here = text.match(/"(\w+(?:\.\w+)?)/)?.[1]
    const counterparts = pages
      .flat()
      .flatMap(([cell = '', there = '']) => (cell.includes(`\`${name}\``) ? [there] : []))
    expect(counterparts.join(), name).toMatch(new RegExp(`\\[\`${here}\\b`))
  }
})
