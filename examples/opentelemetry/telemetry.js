import { metrics, SpanStatusCode, trace } from '@opentelemetry/api'
import { watch } from '@telnyx-auth/express'

/**
 * Turns the events of the library into spans and metrics. Call it once, after the OpenTelemetry SDK has started.
 *
 * @param {import('@telnyx-auth/express').Verifier} verifier
 */
export function recordTelemetry(verifier) {
  const tracer = trace.getTracer('telnyx-auth')
  const meter = metrics.getMeter('telnyx-auth')
  const duration = meter.createHistogram('telnyx_auth.verification.duration', {
    description: 'How long it took to accept or refuse a request',
    unit: 's',
    // A cached token takes microseconds, a first one that has to wait for the issuer up to seconds.
    advice: { explicitBucketBoundaries: [0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 5] },
  })
  const failures = meter.createCounter('telnyx_auth.refresh.failures', {
    description: 'Failed requests for the metadata or the keys of the issuer',
    unit: '{failure}',
  })
  const keysAge = meter.createObservableGauge('telnyx_auth.keys.age', {
    description: 'Age of the cached keys',
    unit: 's',
  })
  keysAge.addCallback((result) => {
    const { keysAgeSeconds } = verifier.health()
    if (keysAgeSeconds !== undefined) result.observe(keysAgeSeconds)
  })

  /**
   * The span begins in the past, because the event is published when the work is done.
   *
   * @param {number} durationMs
   * @param {import('@opentelemetry/api').Attributes} attributes
   */
  const startSpan = (durationMs, attributes) =>
    tracer.startSpan('verify access token', { startTime: Date.now() - durationMs, attributes })

  watch('tokenAccepted', ({ issuer, kid, verifiedBy, cached, durationMs }) => {
    startSpan(durationMs, {
      'telnyx_auth.issuer': issuer,
      'telnyx_auth.key.id': kid,
      'telnyx_auth.verified_by': verifiedBy,
      'telnyx_auth.cached': cached,
    }).end()
    duration.record(durationMs / 1000)
  })
  watch('tokenRejected', ({ code, claim, reason, issuer, durationMs }) => {
    const span = startSpan(durationMs, {
      'error.type': code,
      'telnyx_auth.reason': reason,
      'telnyx_auth.claim': claim,
      'telnyx_auth.issuer': issuer,
    })
    span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
    duration.record(durationMs / 1000, { 'error.type': code })
  })
  watch('refreshFailed', ({ code, reason }) =>
    failures.add(1, { 'error.type': code, 'telnyx_auth.reason': reason }),
  )
}
