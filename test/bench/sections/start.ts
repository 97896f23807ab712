import type { FirstTokenOrder } from '../first-token-process.js'
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

const WAYS = [
  '@telnyx-auth/core, keys given',
  'jose, keys given',
  'aws-jwt-verify, keys given',
  'fast-jwt, keys given',
  '@telnyx-auth/core, issuer discovered',
  'jose, address of the keys given',
  'jsonwebtoken and jwks-rsa, address of the keys given',
]

/** What happens before the first request. */
export async function measureStart(plan: Plan): Promise<Report> {
  const imports = await measureImports(plan)
  return {
    title: 'Start',
    notes: [
      'Each figure is from a new process. The first token is counted from the start of the process, with the start of Node itself. The issuer runs on this machine.',
    ],
    tables: [importsTable(imports), await measureFirstToken(plan), installedTable()],
    reached: { 'start/import': imports.ratio('@telnyx-auth/core', 'jose') },
    panels: [],
  }
}

async function measureImports(plan: Plan): Promise<Figures> {
  const figures = new Figures()
  for (let round = 0; round < plan.rounds; round++)
    for (const name of rotated(IMPORTED, round))
      figures.add(name, await askOnce('import-process.js', { name }))
  return figures
}

function importsTable(figures: Figures): Table {
  return {
    title: 'Milliseconds for an import',
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
        const order: FirstTokenOrder = { way, issuer, audience: AUDIENCE, jwk: key.jwk, token }
        const helper = HelperProcess.start('first-token-process.js', [JSON.stringify(order)])
        figures.add(way, millisecondsIn(await helper.answer()))
        await helper.stop()
      }
  } finally {
    server.close()
  }
  return {
    title: 'Milliseconds until the first token is verified, RS256',
    columns: ['package', 'first token'],
    rows: WAYS.map((way) => [way, spread(figures.spread(way))]),
  }
}

async function askOnce(name: string, question: object): Promise<number> {
  const helper = HelperProcess.start(name)
  try {
    return millisecondsIn(await helper.ask(question))
  } finally {
    await helper.stop()
  }
}

function millisecondsIn(answer: string): number {
  const { ms }: { ms: number } = JSON.parse(answer)
  return ms
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
