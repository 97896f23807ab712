export type { TokenOptions } from './access-token.js'
export type { Client, ClientSeed } from './clients.js'
export type { Endpoint, Fault, FaultBody } from './faults.js'
export {
  createMockIssuer,
  type MockIssuer,
  type RequestLog,
} from './mock-issuer.js'
export type { MockIssuerOptions } from './options.js'
export type { SigningAlgorithm } from './signing-keys.js'
