import { once } from 'node:events'
import { createServer } from 'node:http'
import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createMockIssuer } from '@telnyx-auth/mock-issuer'

/** Sends requests to the application, and prints the spans and the metrics that OpenTelemetry would export. */

// The SDK. In production, exporters send what these keep in memory.
const spans = new InMemorySpanExporter()
const measurements = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter: measurements })
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }),
)
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))

// After the SDK, as in production.
const { createApp } = await import('./app.js')
const issuer = await createMockIssuer({ algorithm: 'ES256' })
const app = createApp({ issuer: issuer.issuer, fetch: issuer.fetch })

// One span for each request, as @opentelemetry/instrumentation-http makes it.
const server = createServer((req, res) => {
  trace.getTracer('demo').startActiveSpan(`${req.method} ${req.url}`, { kind: SpanKind.SERVER }, (span) => {
    res.on('close', () => {
      span.setAttribute('http.response.status_code', res.statusCode)
      if (res.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    })
    app(req, res)
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
const port = typeof address === 'object' ? address?.port : undefined

/** @param {string} [token] */
async function request(token) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  await (await fetch(`http://127.0.0.1:${port}/messages`, { headers })).text()
}

const scopes = ['messaging.read']
const good = await issuer.issueToken({ scopes })
await request()
await request(good)
await request(good)
await request(await issuer.issueToken({ scopes: [] }))
await request(await issuer.issueToken({ scopes, expiresInSeconds: -60 }))
await issuer.rotateKeys()
issuer.fault('jwks', { status: 503 })
await request(await issuer.issueToken({ scopes }))
server.close()
server.closeAllConnections()

console.log('Spans:')
const finished = spans.getFinishedSpans()
for (const parent of finished.filter(({ kind }) => kind === SpanKind.SERVER)) {
  print(parent, '  ')
  const { spanId } = parent.spanContext()
  for (const child of finished) if (child.parentSpanContext?.spanId === spanId) print(child, '    ')
}

console.log('Metrics:')
await reader.forceFlush()
for (const { descriptor, dataPoints } of measurements.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? [])
  for (const { attributes, value } of dataPoints) {
    // Of durations and ages, only how many there are: they differ from run to run.
    const count =
      typeof value === 'object' && 'count' in value ? value.count : descriptor.unit === 's' ? 1 : value
    console.log(`  ${[descriptor.name, ...list(attributes)].join(' ')}: ${count}`)
  }
await reader.shutdown()

/**
 * @param {import('@opentelemetry/sdk-trace').ReadableSpan} span
 * @param {string} indent
 */
function print({ name, attributes, status }, indent) {
  console.log(
    indent +
      [name, ...(status.code === SpanStatusCode.ERROR ? ['ERROR'] : []), ...list(attributes)].join(' '),
  )
}

/** @param {import('@opentelemetry/api').Attributes} attributes */
function list(attributes) {
  // The id of the key is random.
  return Object.entries(attributes).map(([key, value]) => `${key}=${key.endsWith('key.id') ? 'KEY' : value}`)
}
