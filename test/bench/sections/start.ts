import { HelperProcess } from '../helper-process.js'
import { measureInstalled } from '../installed.js'
import { startIssuer } from '../issuer.js'
import type { Plan } from '../plan.js'
import { digits, type Report, spread, type Table } from '../report.js'
import { Figures, rotated } from '../rounds.js'
import { AUDIENCE, createClaims, createKey, signToken } from '../tokens.js'

const IMPORTED = [
  '@telnyx-auth/core',
  'jose',
  'aws-jwt-verify',
  'fast-jwt',
  'jsonwebtoken',
  'jwks-rsa',
  '@telnyx-auth/express',
  'express-oauth2-jwt-bearer',
  'express-jwt',
  '@telnyx-auth/koa',
  'koa-jwt',
  '@telnyx-auth/fastify',
  'fastify-jwt-jwks',
]

/** What is installed together. */
const INSTALLED = [
  ['@telnyx-auth/core'],
  ['jose'],
  ['aws-jwt-verify'],
  ['fast-jwt'],
  ['jsonwebtoken', 'jwks-rsa'],
  ['@telnyx-auth/express'],
  ['express-oauth2-jwt-bearer'],
  ['express-jwt', 'jwks-rsa'],
  ['@telnyx-auth/koa'],
  ['koa-jwt', 'jwks-rsa'],
  ['@telnyx-auth/fastify'],
  ['fastify-jwt-jwks'],
]

const WAYS = ['@telnyx-auth/core', 'jose', 'jsonwebtoken, jwks-rsa']

/** What happens before the first request. */
export async function measureStart(plan: Plan): Promise<Report> {
  return {
    title: 'Start',
    notes: [],
    tables: [await measureImports(plan), await measureFirstToken(plan), installedTable()],
    reached: {},
    panels: [],
  }
}

async function measureImports(plan: Plan): Promise<Table> {
  const figures = new Figures()
  for (let round = 0; round < plan.rounds; round++)
    for (const name of rotated(IMPORTED, round))
      figures.add(name, await askOnce('import-process.js', { name }))
  return {
    title: 'Milliseconds for an import, in a new process',
    columns: ['package', 'import'],
    rows: IMPORTED.map((name) => [name, spread(figures.spread(name))]),
  }
}

async function measureFirstToken(plan: Plan): Promise<Table> {
  const key = createKey('RS256')
  const server = await startIssuer([key.jwk])
  const issuer = server.url
  const token = signToken(key, createClaims(issuer))
  const figures = new Figures()
  try {
    for (let round = 0; round < plan.rounds; round++)
      for (const way of rotated(WAYS, round)) {
        const question = { way, issuer, audience: AUDIENCE, token }
        figures.add(way, await askOnce('first-token-process.js', question))
      }
  } finally {
    server.close()
  }
  return {
    title:
      'Milliseconds until the first token is verified, in a new process: import, keys from an issuer on this machine (ours discovers them first, the peers are told where they are), verification',
    columns: ['package', 'first token'],
    rows: WAYS.map((way) => [way, spread(figures.spread(way))]),
  }
}

async function askOnce(name: string, question: object): Promise<number> {
  const helper = HelperProcess.start(name)
  try {
    const { ms }: { ms: number } = JSON.parse(await helper.ask(question))
    return ms
  } finally {
    await helper.stop()
  }
}

function installedTable(): Table {
  const rows = INSTALLED.map((names) => {
    const { packages, bytes } = measureInstalled(names)
    return [names.join(', '), digits(bytes / 1024), String(packages)]
  })
  return {
    title: 'What is installed, with all dependencies',
    columns: ['packages', 'KiB', 'number of packages'],
    rows,
  }
}
