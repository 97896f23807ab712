/** What the scripts of the page need of the browser. Values become text, never markup. */

/**
 * An element of the document.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id)
  if (!(element instanceof type)) throw new Error(`The document has no "${id}" of this type`)
  return element
}

/**
 * Creates an element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string>>} attributes
 * @param {readonly (string | Node)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

/**
 * Reads JSON from this server.
 *
 * @param {string} path
 * @returns {Promise<any>} the callers name its type
 */
export async function read(path) {
  return (await send(path, {})).json()
}

/**
 * Sends a change to this server.
 *
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>} the response, `undefined` if it has no body; the callers name its type
 */
export async function change(path, body) {
  const response = await send(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  return response.status === 204 ? undefined : response.json()
}

/**
 * Runs the work of a form, without leaving the page, and says what came of it.
 *
 * @param {HTMLElement} result where it is said
 * @param {() => Promise<string>} work returns a sentence for people
 */
export async function report(result, work) {
  // A sentence that is said again must be a change, or screen readers keep silent.
  result.textContent = ''
  result.classList.remove('problem')
  try {
    result.textContent = await work()
  } catch (error) {
    result.classList.add('problem')
    result.textContent = error instanceof Error ? error.message : 'This did not work'
  }
}

/**
 * Puts text into the clipboard.
 *
 * @param {string} text
 * @returns {Promise<string>} a sentence for people
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    throw new Error('The browser does not let this page use the clipboard: select the text, and copy it')
  }
  return 'Copied.'
}

/**
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<Response>}
 * @throws {Error} with a sentence for people
 */
async function send(path, init) {
  const response = await fetch(`/token-page/${path}`, init).catch(() => {
    throw new Error('The issuer does not answer. Is it still running?')
  })
  if (!response.ok) throw new Error((await response.text()) || `The issuer answered with ${response.status}`)
  return response
}
