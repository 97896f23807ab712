import type { Plan } from './plan.js'
import type { Report } from './report.js'

/** In the order in which they run. What a section needs is loaded in its own process only. */
export const SECTIONS: Readonly<Record<string, () => Promise<(plan: Plan) => Promise<Report>>>> = {
  repeated: async () => (await import('./sections/repeated.js')).measureRepeated,
  'first-check': async () => (await import('./sections/first-check.js')).measureFirstCheck,
  'in-flight': async () => (await import('./sections/in-flight.js')).measureInFlight,
  proofs: async () => (await import('./sections/proofs.js')).measureProofs,
  refusals: async () => (await import('./sections/refusals.js')).measureRefusals,
  servers: async () => (await import('./sections/servers.js')).measureServers,
  mcp: async () => (await import('./sections/mcp.js')).measureMcp,
  growth: async () => (await import('./sections/growth.js')).measureGrowth,
  flood: async () => (await import('./sections/flood.js')).measureFlood,
  start: async () => (await import('./sections/start.js')).measureStart,
}
