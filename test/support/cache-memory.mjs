/**
 * How much memory the verified-token cache retains when it is full, in a process of its own: `cache-memory.mjs <core> <maxEntries>`,
 * for one shape of tokens after the other. The tokens are parsed as the verifier parses them; only their signatures are not checked.
 */
const [core, maxEntries] = process.argv.slice(2)
const { VerifiedTokenCache } = await import(`${core}/verified-token-cache.js`)
const { parseUnverifiedToken, KnownHeaders } = await import(`${core}/token/parse-token.js`)
const { createAuth } = await import(`${core}/token/auth.js`)

const NAMES = { scopes: 'scope', clientId: 'client_id' }
const NOW = 1_800_000_000
const times = (length, make) => Array.from({ length }, (_, index) => make(index))
const object = (entries) => Object.fromEntries(entries)
let unique = 0
const next = () => (unique++).toString(36).padStart(8, '0')
/** Another one each time: the cache finds a token by the end of its signature. */
const signature = () => `${next().padStart(85, 'A')}A`

/** The claims of a token beside the usual ones. */
const SHAPES = {
  usual: () => ({}),
  'no claims but the usual, each a double': () => ({
    iat: NOW + 0.25,
    nbf: NOW - 0.5,
    auth_time: NOW - 0.125,
  }),
  'arrays of doubles': () => ({ x: times(400, (index) => index + 0.5) }),
  'a large array of doubles': () => ({ x: times(1500, (index) => index + 0.5) }),
  'arrays of large integers': () => ({ x: times(400, (index) => 2 ** 40 + index) }),
  'mixed arrays': () => ({ x: times(300, (index) => (index % 2 ? index + 0.5 : `s${index}`)) }),
  'arrays of small integers': () => ({ x: times(1000, (index) => index) }),
  'unique names': () => object(times(60, () => [next(), 1])),
  'many unique names': () => object(times(400, () => [next(), 1])),
  'unique names of doubles': () => object(times(60, () => [next(), 0.5])),
  'unique names in nested objects': () => ({ x: times(30, () => ({ [next()]: { [next()]: 1 } })) }),
  'one unique name': () => ({ [`https://issuer.example/${next()}`]: 1 }),
  'the same names in any order': () =>
    object(times(12, (index) => [`name${index}`, index]).sort(() => Math.random() - 0.5)),
  'integer names': () => object(times(50, () => [Math.floor(Math.random() * 4e9), 1])),
  'long strings': () => ({ x: next().repeat(500) }),
  'long UTF-16 strings': () => ({ x: `${next().repeat(500)}\u4e2d` }),
  'UTF-16 strings': () => ({ x: times(100, () => `${next()}\u4e2d`) }),
  'short unique strings': () => ({ x: times(200, () => next()) }),
  'one-character strings': () => ({ x: times(500, (index) => String.fromCharCode(97 + (index % 26))) }),
  'small objects': () => ({ x: times(200, (index) => ({ a: index })) }),
  'empty objects': () => ({ x: times(400, () => ({})) }),
  'empty arrays': () => ({ x: times(400, () => []) }),
  'nested arrays': () => ({ x: times(20, () => JSON.parse('['.repeat(40) + ']'.repeat(40))) }),
  'nested objects': () => ({ x: times(20, () => JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`)) }),
  'many scopes': () => ({ scope: times(200, (index) => `scope.of.this.token.${index}`).join(' ') }),
  'many short scopes': () => ({ scope: times(600, (index) => index.toString(36)).join(' ') }),
  'an array of scopes': () => ({ scope: times(200, (index) => `scope.${index}`) }),
  'many audiences': () => ({ aud: times(200, (index) => `https://api.example.com/${index}`) }),
  'booleans and nulls': () => ({ x: times(1000, (index) => [true, false, null][index % 3]) }),
  'a wide object': () => object(times(150, (index) => [`n${index}`, index])),
  'a very wide object': () => object(times(1200, (index) => [`n${index}`, index])),
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const header = encode({ alg: 'ES256', kid: 'a', typ: 'at+jwt' })
const headers = new KnownHeaders()
const issuer = {}
const key = {}

function add(cache, shape) {
  const claims = {
    iss: 'https://issuer.example',
    sub: `user-${next()}`,
    aud: 'https://api.example.com',
    client_id: 'client-1',
    iat: NOW,
    exp: NOW + 3600,
    jti: next(),
    scope: 'messaging.read messaging.write',
    ...SHAPES[shape](),
  }
  const token = `${header}.${encode(claims)}.${signature()}`
  const { unverifiedClaims } = parseUnverifiedToken(token, 1_048_576, headers)
  const { exp, nbf, iat } = unverifiedClaims
  const auth = createAuth(token, unverifiedClaims, NAMES, 'signature', undefined)
  cache.set({ auth, issuer, key, kid: 'a', exp, nbf, iat }, NOW)
  return token
}

function used() {
  for (let round = 0; round < 4; round++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const limits = { maxEntries: Number(maxEntries), maxAgeMs: 600_000 }
const promised = Math.max(limits.maxEntries * 4096, 1024 * 1024)

function measure(shape) {
  // Code is compiled before anything is measured.
  const warm = new VerifiedTokenCache({ maxEntries: 10, maxAgeMs: 600_000 })
  for (let index = 0; index < 12; index++) add(warm, shape)
  const before = used()
  const cache = new VerifiedTokenCache(limits)
  let last
  // More than the cache holds: by number, or by the length of the tokens alone.
  for (let index = 0, length = 0; index < 1.25 * limits.maxEntries && length < promised; index++) {
    last = add(cache, shape)
    length += last.length
  }
  const retained = used() - before
  return { shape, retained, promised, keeps: cache.get(last, NOW) !== undefined }
}

const results = []
for (const shape of Object.keys(SHAPES)) results.push(measure(shape))
console.log(JSON.stringify(results))
