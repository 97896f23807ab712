import { harnesses as core } from './core.js'
import { harnesses as express } from './express.js'
import { harnesses as fastify } from './fastify.js'
import type { Harness } from './harness.js'
import { harnesses as hono } from './hono.js'
import { harnesses as koa } from './koa.js'

/** Every harness, as `describe.each` takes them. One harness for each framework more. */
export const harnesses: readonly [string, Harness][] = [...express, ...koa, ...fastify, ...hono, ...core].map(
  (harness) => [harness.name, harness],
)
