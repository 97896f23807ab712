/** A program whose requests are refused in several ways. Argument: where the compiled core is. */
const [core] = process.argv.slice(2)
const { createVerifier } = await import(`${core}/index.js`)

const issuer = 'https://issuer.example/%7Eone'
const verifier = createVerifier({
  issuer,
  audience: 'https://api.example.com',
  fetch: async () => new Response(null, { status: 404 }),
})
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const create = (iss) => {
  const claims = { iss, aud: 'https://api.example.com', exp: 4_000_000_000 }
  return [encode({ alg: 'RS256', kid: 'one' }), encode(claims), encode('signature')].join('.')
}

await verifier.authenticate({ headers: {} }).catch(() => undefined)
await verifier.verify('secret-token').catch(() => undefined)
await verifier.verify(create(issuer)).catch(() => undefined)
await verifier.verify(create('https://other.example/of-the-token')).catch(() => undefined)
console.log('done')
