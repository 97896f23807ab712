import { createMockIssuer } from '@telnyx-auth/mock-issuer'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { read, snippetsIn } from '../docs/markdown.js'
import { serve } from '../support/http.js'
import type { HttpResponse } from '../support/http-client.js'
import { installedVersion } from './installed.js'
import { type Build, MOVES } from './packages.js'
import { CASES, type Case, cellOf } from './requests.js'
import { DOCUMENTS, expectTable } from './tables.js'

const issuer = await createMockIssuer()
beforeAll(() => issuer.listen())
afterAll(() => issuer.close())

beforeEach(() => {
  // Express answers and logs as in production.
  vi.stubEnv('NODE_ENV', 'production')
  vi.spyOn(console, 'error').mockReturnValue(undefined)
})

async function answersOf(build: Build): Promise<HttpResponse[]> {
  const answers: HttpResponse[] = []
  const { client } = await serve(await build(issuer.issuer))
  for (const each of CASES) {
    const asked = each.isDown ? (await serve(await build(issuer.issuer))).client : client
    if (each.isDown) for (const endpoint of ENDPOINTS) issuer.fault(endpoint, { status: 503 })
    answers.push(await asked.request(each.method ?? 'GET', await pathOf(each), await each.lines(issuer)))
    issuer.clearFaults()
  }
  return answers
}

const pathOf = async ({ path = '/messages' }: Case) => (typeof path === 'string' ? path : path(issuer))

const ENDPOINTS = ['metadata', 'jwks'] as const

describe.each(MOVES)('moving from $name', ({ name, framework, before, after, further = [] }) => {
  const page = `${DOCUMENTS}/moving/${name}.md`

  it('the page shows both applications, and what else is tested, unchanged', async () => {
    const shown = snippetsIn(await read(page)).map(({ example }) => example)
    expect(shown).toEqual([
      `test/moving/before/${name}.js`,
      `test/moving/after/${framework}.js`,
      ...further.map((file) => `test/moving/${file}.js`),
    ])
  })

  it('the table has what both applications answer', async () => {
    const [old, ours] = [await answersOf(before), await answersOf(after)]
    const rows = CASES.map(({ title }: Case, index) => {
      const [was, is] = [old[index], ours[index]]
      if (!was || !is) return expect.fail('A request has no answer')
      return [title, cellOf(was), cellOf(is)]
    })
    await expectTable(page, 'answers', [
      ['request', `${name} ${installedVersion(name)}`, 'telnyx-auth'],
      ...rows,
    ])
  })
})
