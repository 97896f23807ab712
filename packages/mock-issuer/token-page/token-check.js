import { byId, copy, create, report } from './browser.js'

/** @import { PageCheck } from '../src/http/token-page/page-operations.js' */
/** @import { TokenCheckResult } from '../src/http/token-page/checks.js' */

/** What the page shows of a check of a token. */

const MARKS = { passed: '✓', failed: '✗', skipped: '–', undecided: '?' }

/**
 * What the verifier says, in a sentence.
 *
 * @param {PageCheck} check
 * @returns {string}
 */
export function describeVerdict({ verdict }) {
  if ('problem' in verdict) return verdict.problem
  const { outcome, code, checks } = verdict
  const count = (/** @type {string} */ which) => checks.filter((check) => check.outcome === which).length
  if (outcome === 'accepted') return `Accepted: ${count('passed')} checks passed.`
  const first = checks.find((check) => check.outcome !== 'passed' && check.outcome !== 'skipped')
  const where = first ? `${nameOf(first)}, ` : ''
  return outcome === 'refused' ? `Refused: ${where}${code}.` : `Not decided: ${where}${code}.`
}

/**
 * What introspection says.
 *
 * @param {PageCheck} check
 * @returns {string}
 */
export function describeActivity({ active }) {
  return active
    ? 'Introspection: the token is active.'
    : 'Introspection: the token is not active. A verifier that does not ask the issuer cannot know that a token was revoked.'
}

/**
 * A check as an entry of the list.
 *
 * @param {TokenCheckResult} check
 * @returns {HTMLElement}
 */
export function createCheck(check) {
  const { outcome, rule, reason, hint } = check
  return create(
    'li',
    { class: outcome },
    create('span', {}, `${MARKS[outcome]} ${outcome}`),
    create('span', {}, nameOf(check), create('span', { class: 'rule' }, ` (${rule})`)),
    ...(reason === undefined ? [] : [create('code', {}, reason)]),
    ...(hint === undefined ? [] : [create('span', { class: 'rule' }, hint)]),
  )
}

/**
 * A line for a shell, with a button that copies it.
 *
 * @param {PageCheck['curl'][number]} curl
 * @returns {HTMLElement[]}
 */
export function createCurl({ title, line }) {
  const button = create('button', { type: 'button', 'aria-label': `Copy: ${title}` }, 'Copy')
  button.addEventListener('click', () => report(byId('curl-result', HTMLParagraphElement), () => copy(line)))
  return [
    create('h3', {}, title),
    create('pre', {}, create('code', {}, line)),
    create('div', { class: 'actions' }, button),
  ]
}

/**
 * @param {TokenCheckResult} check
 * @returns {string}
 */
function nameOf({ id }) {
  return id.replaceAll('-', ' ')
}
