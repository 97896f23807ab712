import { harnesses as core } from './core.js'
import { harnesses as express } from './express.js'
import { harnesses as fastify } from './fastify.js'
import type { Harness } from './harness.js'
import { harnesses as koa } from './koa.js'

/** Every harness, as `describe.each` takes them. A framework more is a harness more. */
export const harnesses: readonly [string, Harness][] = [...express, ...koa, ...fastify, ...core].map(
  (harness) => [harness.name, harness],
)
