import { byId, change, create, report } from './browser.js'

/** @import { PageForm, PageState } from '../src/http/token-page/page-operations.js' */

const endpoint = byId('endpoint', HTMLSelectElement)
const kind = byId('kind', HTMLSelectElement)
const faultResult = byId('fault-result', HTMLParagraphElement)

/** What is to do after a change of the issuer. */
let changed = async () => {}

/**
 * Fills the forms, and lets people rotate keys and switch faults on and off.
 *
 * @param {PageForm} form
 * @param {() => Promise<void>} afterChange shows the new state, and checks the token again
 */
export function startIssuer(form, afterChange) {
  changed = afterChange
  endpoint.append(...form.endpoints.map((name) => create('option', {}, name)))
  endpoint.value = 'jwks'
  kind.append(...form.faults.map((fault) => create('option', { value: fault.kind }, fault.description)))

  byId('rotate', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault()
    rotate()
  })
  byId('fault', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault()
    switchOn()
  })
  byId('clear-faults', HTMLButtonElement).addEventListener('click', () => switchOff())
}

/**
 * Shows keys and faults.
 *
 * @param {Pick<PageState, 'keys' | 'faults'>} state
 */
export function showIssuer({ keys, faults }) {
  byId('keys', HTMLOListElement).replaceChildren(
    ...keys.map(({ kid, algorithm }) => create('li', {}, create('code', {}, kid), ` ${algorithm}`)),
  )
  byId('faults', HTMLUListElement).replaceChildren(...faults.map(createFault))
}

/**
 * @param {PageState['faults'][number]} fault
 * @returns {HTMLElement}
 */
function createFault({ endpoint: name, description, left }) {
  const button = create('button', { type: 'button', 'aria-label': `Switch off: ${name}` }, 'Switch off')
  button.addEventListener('click', () => switchOff(name))
  const count = left === null ? 'all requests' : left === 1 ? '1 request' : `${left} requests`
  return create('li', {}, create('span', {}, create('code', {}, name), ` ${description}, ${count}`), button)
}

function rotate() {
  const keepOld = byId('keep-old', HTMLInputElement).checked
  report(byId('rotate-result', HTMLParagraphElement), async () => {
    await change('rotate-keys', { keepOld })
    await changed()
    return keepOld ? 'A new key signs from now on.' : 'A new key signs from now on. The older keys are gone.'
  })
}

function switchOn() {
  report(faultResult, async () => {
    const times = byId('times', HTMLInputElement).valueAsNumber
    await change('set-fault', { endpoint: endpoint.value, kind: kind.value, times })
    await changed()
    return `On: ${endpoint.value} ${kind.selectedOptions[0]?.textContent}.`
  })
}

/** @param {string} [name] one endpoint; default: all */
function switchOff(name) {
  report(faultResult, async () => {
    await change('clear-faults', name === undefined ? {} : { endpoint: name })
    await changed()
    // Its button is gone, and with it the focus.
    if (name !== undefined) byId('clear-faults', HTMLButtonElement).focus()
    return name === undefined ? 'All faults are off.' : `Off: ${name}.`
  })
}
