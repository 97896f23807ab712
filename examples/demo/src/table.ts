import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colours on a terminal, none in a file or a pipe. */
function paint(style: Style, text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(style, text) : text
}

/** The expected answer: its status, and the RFC 6750 error in its challenge. */
export interface Expected {
  readonly status: number
  readonly error?: string
}

const WIDTHS = { request: 47, expected: 8, status: 6 }

export function printHeading(): void {
  console.log(
    paint(
      'bold',
      `   ${'request'.padEnd(WIDTHS.request)} ${'expected'.padEnd(WIDTHS.expected)} ${'status'.padEnd(WIDTHS.status)} answer`,
    ),
  )
}

/** Sends a request and prints its row of the table. Returns whether the answer was as expected. */
export async function printRow(
  request: string,
  expected: Expected,
  send: () => Promise<Response>,
): Promise<boolean> {
  const response = await send()
  const body = await response.text()
  const challenge = response.headers.get('www-authenticate')
  const retryAfter = response.headers.get('retry-after')
  const error = /[ ,]error="([^"]*)"/.exec(challenge ?? '')?.[1]
  const ok = response.status === expected.status && error === expected.error
  const answer = challenge
    ? `WWW-Authenticate: ${challenge}`
    : retryAfter
      ? `Retry-After: ${retryAfter} (no challenge)`
      : body
  console.log(
    [
      ok ? paint('green', '✔ ') : paint('red', '✘ '),
      request.padEnd(WIDTHS.request),
      String(expected.status).padEnd(WIDTHS.expected),
      paint(ok ? 'green' : 'red', String(response.status).padEnd(WIDTHS.status)),
      answer,
    ].join(' '),
  )
  return ok
}
