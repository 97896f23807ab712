import { byId, create } from './browser.js'

/** @import { PageState } from '../src/http/token-page/page-operations.js' */

/**
 * Shows the last requests to the issuer.
 *
 * @param {PageState['requests']} requests newest first
 */
export function showRequests(requests) {
  byId('requests', HTMLTableSectionElement).replaceChildren(...requests.map(createRow))
}

/**
 * @param {PageState['requests'][number]} request
 * @returns {HTMLElement}
 */
function createRow({ time, endpoint, method, status, from }) {
  const result = status === undefined ? 'waits' : status === 'none' ? 'no response' : String(status)
  const cells = [new Date(time).toLocaleTimeString('en-GB'), endpoint, method, result, from]
  return create('tr', {}, ...cells.map((text) => create('td', {}, text)))
}
