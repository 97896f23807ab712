import { beforeEach, expect, it, vi } from 'vitest'
import { forgetWarnings } from '../../packages/core/src/testing.js'
import { noConnection, status } from '../support/answers.js'
import { JWKS_URL } from '../support/forge.js'
import {
  createIntrospectionWorld,
  INTROSPECTION_URL,
  signedToken,
  unknownKeyToken,
} from '../support/introspection-world.js'

beforeEach(forgetWarnings)

/** A process warns once of each cause for an issuer, so no other test may use this one. */
const WARNED_ISSUER = 'https://warned.example'

function createWorld() {
  const metadata = {
    issuer: WARNED_ISSUER,
    jwks_uri: JWKS_URL,
    introspection_endpoint: INTROSPECTION_URL,
  }
  return createIntrospectionWorld({}, { issuer: WARNED_ISSUER, metadata })
}

it('I5: refused credentials and a wrong address are a process warning each, an outage and a bad token are none', async () => {
  const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
  const calls = () => emitWarning.mock.calls.map(([message, options]) => ({ message, options }))
  for (const answer of [status(400), status(422), status(500), status(429), noConnection]) {
    const world = await createWorld()
    world.answer = answer
    for (const token of [
      signedToken({ iss: WARNED_ISSUER }),
      unknownKeyToken({ iss: WARNED_ISSUER }),
      'opaque',
    ])
      await world.outcome(token)
  }
  const world = await createWorld()
  world.answer = status(403)
  await world.outcome('opaque')
  expect(calls()).toEqual([])

  const secrets: string[] = []
  for (const code of [401, 404])
    for (let round = 0; round < 3; round++) {
      const other = await createWorld()
      other.answer = status(code)
      for (const token of [
        signedToken({ iss: WARNED_ISSUER }),
        unknownKeyToken({ iss: WARNED_ISSUER }),
        'opaque-token',
      ]) {
        secrets.push(token)
        await other.outcome(token)
      }
    }
  expect(calls()).toEqual([
    {
      message: expect.stringMatching(/https:\/\/warned\.example .*status 401.*clientSecret/),
      options: { type: 'TelnyxAuthWarning', code: 'ERR_INTROSPECTION_UNAVAILABLE' },
    },
    {
      message: expect.stringMatching(/https:\/\/warned\.example .*status 404.*address/),
      options: { type: 'TelnyxAuthWarning', code: 'ERR_INTROSPECTION_UNAVAILABLE' },
    },
  ])
  for (const secret of [...secrets, 'secret"']) expect(JSON.stringify(calls())).not.toContain(secret)
})
