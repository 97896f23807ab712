import { telnyxAuth as expressAuth } from '@telnyx-auth/express'
import { telnyxAuth as fastifyAuth } from '@telnyx-auth/fastify'
import { telnyxAuth as honoAuth } from '@telnyx-auth/hono'
import { telnyxAuth as koaAuth } from '@telnyx-auth/koa'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { expect, it, onTestFinished } from 'vitest'
import { serve } from '../support/http.js'
import { AUDIENCE } from '../support/outcome.js'

/** The corridor from a middleware to `validate` is short enough to be read in a stack trace, and stays so. */

const issuer = await createMockIssuer({ algorithm: 'ES256' })
const headers = { authorization: `Bearer ${await issuer.issueToken()}` }

/** The functions of this library in a stack trace, from `validate` to the middleware. */
function framesOf(stack: string): readonly string[] {
  return stack.split('\n').filter((line) => /\/packages\/\w+\/src\//.test(line))
}

type Options = Parameters<typeof expressAuth>[0] & Parameters<typeof honoAuth>[0]

/** Applications with one protected route, each as a function that sends a request. */
const applications: Record<string, (options: Options) => Promise<() => Promise<unknown>>> = {
  async Express(options) {
    const { url } = await serve(express().use(expressAuth(options)))
    return () => fetch(url, { headers })
  },
  async Koa(options) {
    const app = new Koa()
    app.use(koaAuth(options))
    const { url } = await serve(app.callback())
    return () => fetch(url, { headers })
  },
  async Fastify(options) {
    const app = fastify()
    onTestFinished(() => app.close())
    await app.register(fastifyAuth, { ...options })
    return () => app.inject({ url: '/', headers })
  },
  async Hono(options) {
    const app = new Hono().use(honoAuth(options))
    return async () => app.request('/', { headers })
  },
}

it.each(Object.keys(applications))(
  '%s: at most 12 frames for a cached token, 5 of the adapter',
  async (name) => {
    const stackTraceLimit = Error.stackTraceLimit
    onTestFinished(() => {
      Error.stackTraceLimit = stackTraceLimit
    })
    Error.stackTraceLimit = 100
    const stacks: string[] = []
    const validate = () => void stacks.push(new Error().stack ?? '')
    const send = await applications[name]?.({ audience: AUDIENCE, fetch: issuer.fetch, validate })
    // The first request verifies the token, the second one finds it in the cache.
    await send?.()
    await send?.()
    expect(stacks).toHaveLength(2)
    const frames = framesOf(stacks[1] ?? '')
    expect(frames.length, stacks[1]).toBeGreaterThan(0)
    expect(frames.length, stacks[1]).toBeLessThanOrEqual(12)
    const ofTheAdapter = frames.filter((line) => !/\/core\/src\/(?!adapter\/)/.test(line))
    expect(ofTheAdapter.length, stacks[1]).toBeLessThanOrEqual(5)
  },
)
