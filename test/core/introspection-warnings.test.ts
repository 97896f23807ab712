import { expect, it, vi } from 'vitest'
import {
  createIntrospectionWorld,
  noConnection,
  signedToken,
  status,
  unknownKeyToken,
} from '../support/introspection-world.js'

// In a file of its own: a process warns once of each cause.
it('I5: refused credentials and a wrong URL cause one process warning each, an outage and a bad token none', async () => {
  const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
  const calls = () => emitWarning.mock.calls.map(([message, options]) => ({ message, options }))
  for (const answer of [status(400), status(422), status(500), status(429), noConnection]) {
    const world = await createIntrospectionWorld()
    world.answer = answer
    for (const token of [signedToken(), unknownKeyToken(), 'opaque']) await world.outcome(token)
  }
  const world = await createIntrospectionWorld()
  world.answer = status(403)
  await world.outcome('opaque')
  expect(calls()).toEqual([])

  const secrets: string[] = []
  for (const code of [401, 404])
    for (let round = 0; round < 3; round++) {
      const other = await createIntrospectionWorld()
      other.answer = status(code)
      for (const token of [signedToken(), unknownKeyToken(), 'opaque-token']) {
        secrets.push(token)
        await other.outcome(token)
      }
    }
  expect(calls()).toEqual([
    {
      message: expect.stringMatching(/https:\/\/issuer\.example .*status 401.*clientSecret/),
      options: { type: 'TelnyxAuthWarning', code: 'ERR_INTROSPECTION_UNAVAILABLE' },
    },
    {
      message: expect.stringMatching(/https:\/\/issuer\.example .*status 404.*address/),
      options: { type: 'TelnyxAuthWarning', code: 'ERR_INTROSPECTION_UNAVAILABLE' },
    },
  ])
  for (const secret of [...secrets, 'secret"']) expect(JSON.stringify(calls())).not.toContain(secret)
})
