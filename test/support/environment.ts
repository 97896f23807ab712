/** Tests are independent of the environment that they are started in, as are the processes that they start. */

/** Variables of our packages and of the official SDK, of logs, proxies and the thread pool, and the language of messages. */
const IGNORED =
  /^TELNYX_|^(?:NODE_DEBUG|NODE_USE_ENV_PROXY|UV_THREADPOOL_SIZE|LANG|LANGUAGE)$|^LC_|^(?:https?|all|no)_proxy$/i

/** Without a value here, that of the machine would apply. */
const FIXED = { NODE_ENV: 'test', TZ: 'UTC' }

/**
 * Changes the environment of this process, which the processes that run tests inherit. `NODE_OPTIONS` stays: debuggers
 * and limits of memory are set by it.
 */
export function cleanEnvironment(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (IGNORED.test(name)) delete environment[name]
  Object.assign(environment, FIXED)
}
