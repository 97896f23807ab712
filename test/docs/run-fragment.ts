import { EventEmitter } from 'node:events'
import * as mockIssuer from '@telnyx-auth/mock-issuer'
import express from 'express'
import { packagesOf } from './snippet-context.js'
import { type Fragment, partsOf } from './snippets.js'

const AsyncFunction: new (...parts: string[]) => (...values: unknown[]) => Promise<unknown> =
  Object.getPrototypeOf(async () => {}).constructor

export const AUDIENCE = 'https://api.example.com'

/** The issuer of the fragments. */
export const issuer: mockIssuer.MockIssuer = await mockIssuer.createMockIssuer({
  algorithm: 'ES256',
  audience: AUDIENCE,
})

/**
 * Runs a fragment of JavaScript to its end. It is one function, which is given what it does not declare.
 *
 * @param own in place of what fragments are given otherwise, or beside it
 */
export async function runFragment(
  { code, document }: Fragment,
  own: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { imports, body } = partsOf(code)
  const packages = await Promise.all(packagesOf(document).map((name) => import(name)))
  const imported = await Promise.all(
    imports.map(async (text) => {
      const module: Record<string, unknown> = await import(/['"](.+)['"]/.exec(text)?.[1] ?? '')
      const [, name] = /^import (\w+) from/.exec(text) ?? []
      return name === undefined ? module : { ...module, [name]: module.default }
    }),
  )
  const { createVerifier } = packages[0]
  const token = await issuer.issueToken({ scopes: ['messaging.read'] })
  const context: Record<string, unknown> = {
    createMockIssuer: mockIssuer.createMockIssuer,
    issuer,
    token,
    socket: Object.assign(new EventEmitter(), { close() {} }),
    app: express(),
    handler: () => {},
    logger: { info() {} },
    signatures: { inc() {} },
    apiKey: async () => 'KEY',
    verifier: createVerifier({ audience: AUDIENCE, issuer: issuer.issuer, fetch: issuer.fetch }),
    request: new Request(AUDIENCE, { headers: { authorization: `Bearer ${token}` } }),
    ...Object.assign({}, ...packages, ...imported),
    ...own,
  }
  const names = Object.keys(context).filter((name) => name !== 'default')
  // A block of its own, so that a fragment may declare any of these names itself.
  const work = new AsyncFunction(...names, `{${body.replaceAll(/^export (?:default )?/gm, '')}\n}`)
  await work(...names.map((name) => context[name]))
  // A fragment that has started a timer for a connection stops it then.
  if (context.socket instanceof EventEmitter && !own.socket) context.socket.emit('close')
}
