import { createVerifier } from '@telnyx-auth/core'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { expect, it } from 'vitest'

it('accepts', async () => {
  const issuer = await createMockIssuer()
  const verifier = createVerifier({ audience: 'https://api.example.com', fetch: issuer.fetch })
  const auth = await verifier.verify(await issuer.issueToken({ scopes: ['a'] }))
  expect(auth.scopes).toEqual(['a'])
})
