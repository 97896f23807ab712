import { byId, create } from './browser.js'

/** @import { PageState } from '../src/http/token-page/page-operations.js' */

/**
 * Shows the last requests to the issuer.
 *
 * @param {PageState['requests']} requests newest first
 */
export function showRequests(requests) {
  byId('requests', HTMLOListElement).replaceChildren(...requests.map(createEntry))
}

const SENDERS = { HTTP: 'over HTTP', process: 'in process', 'token page': 'by this page' }

/**
 * @param {PageState['requests'][number]} request
 * @returns {HTMLElement}
 */
function createEntry({ time, endpoint, method, status, from }) {
  const result = status === undefined ? 'waits' : status === 'none' ? 'no response' : String(status)
  const parts = [new Date(time).toLocaleTimeString('en-GB'), `${method} ${endpoint}`, result, SENDERS[from]]
  return create('li', {}, ...parts.map((text) => create('span', {}, text)))
}
