import { cpus, totalmem } from 'node:os'
import { versionOf } from './installed.js'
import type { Table } from './report.js'

const PACKAGES = [
  '@telnyx-auth/core',
  'express',
  'koa',
  'fastify',
  'jose',
  'fast-jwt',
  'aws-jwt-verify',
  'jsonwebtoken',
  'jwks-rsa',
  'express-oauth2-jwt-bearer',
  'express-jwt',
  'koa-jwt',
  'fastify-jwt-jwks',
  'mitata',
  'autocannon',
]

/** Where the figures are from. */
export function describeMachine(): Table {
  const [cpu, ...others] = cpus()
  return {
    title: 'Where and when',
    columns: ['what', 'value'],
    rows: [
      ['date', new Date().toISOString().slice(0, 10)],
      ['processor', `${cpu?.model.trim()}, ${others.length + 1} cores`],
      ['memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
      ['system', `${process.platform} ${process.arch}`],
      ['Node', process.version],
      ...PACKAGES.map((name) => [name, versionOf(name)]),
    ],
  }
}
