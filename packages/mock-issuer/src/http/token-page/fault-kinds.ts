import type { Fault } from '../faults.js'

/** A fault that the page offers. */
export type FaultKind =
  | 'unavailable'
  | 'limited'
  | 'error'
  | 'missing'
  | 'page'
  | 'slow'
  | 'silent'
  | 'dropped'

/** The faults that the page offers. */
export const FAULT_KINDS: Readonly<Record<FaultKind, Fault>> = {
  unavailable: { status: 503, headers: { 'Retry-After': '1' } },
  limited: { status: 429, headers: { 'Retry-After': '1' } },
  error: { status: 500 },
  missing: { status: 404 },
  page: { headers: { 'Content-Type': 'text/html' }, body: '<!doctype html><title>Welcome</title>' },
  slow: { delayMs: 2000 },
  silent: { silence: true },
  dropped: { drop: true },
}

/** A fault in words: what the endpoint does. Tests can set other faults than those of the page. */
export function describeFault({ status, headers, body, delayMs, silence, drop }: Fault): string {
  if (silence) return 'never answers'
  const late = delayMs === undefined ? '' : ` after ${delayMs} ms`
  if (drop) return `drops the connection${late}`
  if (status !== undefined) return `answers ${status}${late}`
  if (body !== undefined) return `answers with another body${late}`
  if (headers !== undefined) return `answers with other headers${late}`
  return `answers${late}`
}
