import { HelperProcess } from '../helper-process.js'
import { startIssuer } from '../issuer.js'
import type { Load } from '../load-process.js'
import type { Plan } from '../plan.js'
import { digits, type Report, spread } from '../report.js'
import { Figures, rotated } from '../rounds.js'
import { BenchServer, type Call } from '../server.js'
import { signMany } from '../signing.js'
import { createKey } from '../tokens.js'

const FLOOR = 'requireBearerAuth, no check'
const GUARDS = [FLOOR, 'ours', 'ours, toolScopes']
const TOKENS = 200
/** A call takes several times as long as a request to the other servers. */
const SHARE = 0.4

const CALL: Call = {
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'whoami', arguments: {} },
  }),
}

/** An MCP server on Express, with the SDK's own middleware and with ours. */
export async function measureMcp(plan: Plan): Promise<Report> {
  const key = createKey('RS256')
  const issuer = await startIssuer([key.jwk])
  const thousand = await signMany(key, issuer.url, TOKENS)
  const loader = HelperProcess.start('load-process.js')
  const figures = new Figures()
  const requests = Math.round(plan.requests * SHARE)
  const servers: { name: string; server: BenchServer }[] = []
  try {
    await loader.ask({ supply: { one: [], thousand, new: [] } })
    for (const name of GUARDS)
      servers.push({
        name,
        server: await BenchServer.start(['mcp', name, issuer.url], thousand[0] ?? '', CALL),
      })
    const load = async (url: string): Promise<Load> =>
      JSON.parse(await loader.ask({ url, tokens: 'thousand', requests, call: CALL }))
    for (const { server } of servers) await load(server.url)
    for (let round = 0; round < plan.serverRounds; round++)
      for (const { name, server } of rotated(servers, round)) {
        await server.usage()
        const { requestsPerSecond } = await load(server.url)
        const { cpuUs } = await server.usage()
        figures.add(`${name}/cpu`, cpuUs / requests)
        figures.add(`${name}/rate`, requestsPerSecond)
      }
  } finally {
    await Promise.all(servers.map(({ server }) => server.stop()))
    await loader.stop()
    issuer.close()
  }
  const ratio = (name: string) => figures.ratio(`${name}/cpu`, `${FLOOR}/cpu`)
  return {
    title: 'An MCP server',
    notes: [
      `A tool call with the MCP SDK v1 on Express, with ${digits(TOKENS)} cached tokens in turn: behind \`requireBearerAuth\` of the SDK with a verifier that does nothing, and behind \`mcpAuth\`. With \`toolScopes\`, ours parses the body in place of \`express.json()\`. CPU as for the other servers.`,
    ],
    tables: [
      {
        title: 'CPU for a tool call',
        columns: ['guard', 'CPU µs', `CPU / ${FLOOR}`, 'requests/s'],
        rows: GUARDS.map((name) => [
          name,
          spread(figures.spread(`${name}/cpu`)),
          spread(ratio(name)),
          digits(figures.spread(`${name}/rate`).median),
        ]),
      },
    ],
    reached: { 'mcp/ours': ratio('ours'), 'mcp/toolScopes': ratio('ours, toolScopes') },
    panels: [],
  }
}
