import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { createClaims, type SigningKey, signToken } from './tokens.js'

interface Order {
  readonly pem: string
  readonly algorithm: SigningKey['algorithm']
  readonly kid: string
  readonly issuer: string
  readonly count: number
}

/** Signs many tokens, on all cores: RSA takes most of a millisecond for each. */
export async function signMany(key: SigningKey, issuer: string, count: number): Promise<string[]> {
  const { algorithm, kid, privateKey } = key
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const threads = availableParallelism()
  const order: Order = { pem, algorithm, kid, issuer, count: Math.ceil(count / threads) }
  const shares = await Promise.all(
    Array.from({ length: threads }, async (): Promise<string[]> => {
      const worker = new Worker(new URL(import.meta.url), { workerData: order })
      const [tokens] = await once(worker, 'message')
      return tokens
    }),
  )
  return shares.flat().slice(0, count)
}

if (!isMainThread) {
  const { pem, algorithm, kid, issuer, count }: Order = workerData
  const key = { algorithm, kid, privateKey: createPrivateKey(pem) }
  parentPort?.postMessage(Array.from({ length: count }, () => signToken(key, createClaims(issuer))))
}
