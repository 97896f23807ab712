import { expect, it } from 'vitest'
import { CLIENT, SCOPE, startPlace } from './place.js'
import { runTool } from './tools.js'

/** The MCP inspector on the command line, unmodified. */

function callTool(url: string, folder: string, headers: readonly string[]) {
  const call = ['--transport', 'http', '--method', 'tools/call', '--tool-name', 'whoami']
  return runTool('inspector', ['--cli', url, ...call, ...headers], folder)
}

it('the inspector calls a tool with a token', async () => {
  const { url, token, folder } = await startPlace('before the body parser')
  const { code, output } = await callTool(url, folder, ['--header', `Authorization: Bearer ${token}`])
  expect(output).toContain(`${CLIENT} may ${SCOPE}`)
  expect(code).toBe(0)
})

it.each([
  { name: 'without a token', headers: [] },
  { name: 'with a bad token', headers: ['--header', 'Authorization: Bearer bad'] },
])('the inspector ends with an error $name, and no tool runs', async ({ headers }) => {
  const { url, folder, callers, statuses } = await startPlace('before the body parser')
  const { code, output } = await callTool(url, folder, headers)
  expect(code, output).toBe(3)
  expect(output).toContain('auth_required')
  expect([...callers]).toEqual([])
  expect(statuses).toContain(401)
})
