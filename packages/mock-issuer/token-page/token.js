import { byId, change, copy, create, report } from './browser.js'
import { createCheck, createCurl, describeActivity, describeVerdict } from './token-check.js'
import { describeParts } from './token-parts.js'

/** @import { PageCheck, PageForm } from '../src/http/token-page/page-operations.js' */

/** How long the page waits for the next key press before it checks again. */
const PAUSE_MS = 250

const client = byId('client', HTMLSelectElement)
const scopes = byId('scopes', HTMLDivElement)
const token = byId('token', HTMLTextAreaElement)
const expectedAudience = byId('expected-audience', HTMLInputElement)
const apiUrl = byId('api-url', HTMLInputElement)
const audience = byId('audience', HTMLInputElement)
const algorithm = byId('algorithm', HTMLSelectElement)
const issueResult = byId('issue-result', HTMLParagraphElement)
const tokenResult = byId('token-result', HTMLParagraphElement)
const verdict = byId('verdict', HTMLParagraphElement)

/**
 * Fills the form, and lets people issue, change, check and revoke a token.
 *
 * @param {PageForm} form
 */
export function startTokens(form) {
  client.append(
    ...form.clients.map(({ id, name }) => create('option', { value: id }, `${name} (${id})`)),
    create('option', { value: '' }, 'The first client'),
  )
  if (form.clients.length > 0) client.lastElementChild?.remove()
  const offerScopes = () => {
    const chosen = form.clients.find(({ id }) => id === client.value)
    scopes.replaceChildren(...(chosen?.scopes ?? []).map(createScope))
  }
  client.addEventListener('change', offerScopes)
  offerScopes()
  algorithm.append(...form.algorithms.map((name) => create('option', {}, name)))
  algorithm.value = form.algorithm
  audience.value = form.audience
  expectedAudience.value = form.audience

  onSubmit('issue', issue)
  // Enter in a field checks at once.
  onSubmit('check-form', check)
  onSubmit('curl-form', check)
  onSubmit('token-form', check)
  for (const field of [token, expectedAudience, apiUrl]) field.addEventListener('input', checkSoon)
  // They were about another token.
  token.addEventListener('input', () => {
    say(issueResult, '')
    say(tokenResult, '')
  })
  byId('copy-token', HTMLButtonElement).addEventListener('click', () =>
    report(tokenResult, () => copy(token.value.trim())),
  )
  byId('revoke', HTMLButtonElement).addEventListener('click', revoke)
}

/**
 * @param {string} id
 * @param {() => void} work
 */
function onSubmit(id, work) {
  byId(id, HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault()
    work()
  })
}

/**
 * @param {string} scope
 * @returns {HTMLElement}
 */
function createScope(scope) {
  return create('label', {}, create('input', { type: 'checkbox', name: 'scope', value: scope }), ` ${scope}`)
}

function issue() {
  const chosen = scopes.querySelectorAll('input:checked')
  report(issueResult, async () => {
    const body = {
      clientId: client.value,
      subject: byId('subject', HTMLInputElement).value.trim(),
      scopes: Array.from(chosen, (box) => (box instanceof HTMLInputElement ? box.value : '')),
      audience: audience.value.trim(),
      expiresInSeconds: byId('lifetime', HTMLInputElement).valueAsNumber,
      algorithm: algorithm.value,
    }
    token.value = (await change('issue', body)).token
    say(tokenResult, '')
    await check()
    return 'Issued: see the token and its checks.'
  })
}

function revoke() {
  report(tokenResult, async () => {
    if (token.value.trim() === '') throw new Error('There is no token to revoke')
    await change('revoke', { token: token.value.trim() })
    await check()
    return 'Revoked: introspection now reports it as not active.'
  })
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

function checkSoon() {
  clearTimeout(timer)
  timer = setTimeout(check, PAUSE_MS)
}

/** Counts the checks, because a response may come later than one to a newer check. */
let checks = 0

/** Takes the token apart, and shows what the verifier says about it. */
export async function check() {
  clearTimeout(timer)
  checks += 1
  const current = checks
  const value = token.value.trim()
  byId('parts', HTMLDivElement).replaceChildren(...describeParts(value))
  /** @type {PageCheck | undefined} */
  let result
  let problem = ''
  if (value !== '')
    try {
      const body = { token: value, audience: expectedAudience.value.trim(), apiUrl: apiUrl.value.trim() }
      result = await change('check', body)
    } catch (error) {
      problem = error instanceof Error ? error.message : 'This did not work'
    }
  if (current !== checks) return
  say(verdict, result ? describeVerdict(result) : problem)
  say(byId('activity', HTMLParagraphElement), result ? describeActivity(result) : '')
  byId('checks', HTMLOListElement).replaceChildren(
    ...(result && 'checks' in result.verdict ? result.verdict.checks.map(createCheck) : []),
  )
  byId('curl', HTMLDivElement).replaceChildren(...(result?.curl ?? []).flatMap(createCurl))
}

/**
 * Says a sentence, if it is not the one that stands there: screen readers would repeat it.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text
}
