import { byId, read } from './browser.js'
import { showIssuer, startIssuer } from './issuer.js'
import { showRequests } from './requests.js'
import { check, startTokens } from './token.js'

/** @import { PageForm, PageState } from '../src/http/token-page/page-operations.js' */

const REFRESH_MS = 1000

const connection = byId('connection', HTMLParagraphElement)
const pause = byId('pause', HTMLButtonElement)

/** Whether people have stopped the list of requests, to read it (WCAG 2.2.2). */
let paused = false

const showIssuerOnce = onChange(showIssuer)
const showRequestsOnce = onChange(showRequests)

/** The requests for the state so far, and the newest one that was answered: an older answer that comes late is out of date. */
let asked = 0
let answered = 0

async function refresh() {
  asked += 1
  const current = asked
  /** @type {PageState} */
  const { keys, faults, requests } = await read('state')
  if (current < answered) return
  answered = current
  showIssuerOnce({ keys, faults })
  if (!paused) showRequestsOnce(requests)
}

/**
 * Shows a value only where it has changed: new elements would take the focus, and what is selected, from people.
 *
 * @template T
 * @param {(value: T) => void} show
 * @returns {(value: T) => void}
 */
function onChange(show) {
  let shown = ''
  return (value) => {
    const text = JSON.stringify(value)
    if (text !== shown) show(value)
    shown = text
  }
}

/** Fills the forms, and lets people use them. */
async function start() {
  /** @type {PageForm} */
  const form = await read('form')
  byId('issuer', HTMLElement).textContent = form.issuer
  startTokens(form)
  startIssuer(form, async () => {
    await check()
    await refresh()
  })
}

/** @type {Promise<void> | undefined} */
let started

/** Starts once. After a failure, the next call tries again. */
function startOnce() {
  started ??= start().catch((error) => {
    started = undefined
    throw error
  })
  return started
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

/** Refreshes from time to time, while people see the page, and at once when they come back to it. */
async function watch() {
  try {
    await startOnce()
    if (!document.hidden) await refresh()
    connection.textContent = ''
  } catch (error) {
    const problem = error instanceof Error ? error.message : 'This did not work'
    if (connection.textContent !== problem) connection.textContent = problem
  }
  // Another call may have set one meanwhile.
  clearTimeout(timer)
  timer = setTimeout(watch, REFRESH_MS)
}

document.addEventListener('visibilitychange', watch)
pause.addEventListener('click', () => {
  paused = !paused
  pause.setAttribute('aria-pressed', String(paused))
})
await watch()
