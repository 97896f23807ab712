import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

/** Where Chromium may be on this machine; playwright-core does not include it. */
const candidates = [
  process.env.CHROMIUM,
  ...(process.env.PATH ?? '')
    .split(':')
    .flatMap((folder) =>
      ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].map((name) =>
        join(folder, name),
      ),
    ),
]

export const browserPath: string | undefined = candidates.find(
  (path) => path !== undefined && path !== '' && existsSync(path),
)

if (browserPath === undefined)
  console.warn(
    'The tests in a browser are skipped: there is no Chromium on the PATH. "apt-get install chromium" brings one, or the variable CHROMIUM names one.',
  )

/** Starts Chromium without the features that contact its vendor. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    ...(browserPath !== undefined && { executablePath: browserPath }),
    args: [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
}
