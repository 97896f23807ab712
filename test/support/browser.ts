import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'

/** The first, without windows, takes the least time. */
const NAMES = [
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
]

/** Where Chromium may be on this machine; playwright-core does not include it. */
const candidates = [
  process.env.CHROMIUM,
  ...NAMES.flatMap((name) => (process.env.PATH ?? '').split(':').map((folder) => join(folder, name))),
]

export const browserPath: string | undefined = candidates.find(
  (path) => path !== undefined && path !== '' && existsSync(path),
)

if (browserPath === undefined)
  console.warn(
    'The tests in a browser are skipped: there is no Chromium on the PATH. "apt-get install chromium" brings one, or the variable CHROMIUM names one.',
  )

/** Chromium takes the last list of features only, so this one replaces Playwright's: what it needs is repeated here. */
const DISABLED_FEATURES = [
  // They contact the vendor.
  'AimEnabled',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PreconnectToSearch',
  // They turn `http:` into `https:`.
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  // Playwright does not work well with them.
  'AvoidCorsURLLoaderRestartOnRedirect',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'PaintHolding',
  // The address bar is made of pages, which take a process and as much time as all pages of the tests.
  'WebUIOmniboxAimPopup',
  'WebUIOmniboxPopup',
]

/** Starts Chromium without the features that contact its vendor, and without those that only take time. */
function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    ...(browserPath !== undefined && { executablePath: browserPath }),
    args: [
      '--disable-background-networking',
      '--disable-component-update',
      `--disable-features=${DISABLED_FEATURES.join()}`,
      '--disable-sync',
      '--no-first-run',
    ],
  })
}

/**
 * Starts Chromium for the tests of a suite. They share one page, because a page costs Chromium a window and several
 * processes; what a test has set does not last until the next one.
 */
export function usePage(): () => Page {
  let browser: Browser
  let page: Page
  beforeAll(async () => {
    browser = await launchBrowser()
    page = await browser.newPage()
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    await page.setViewportSize({ width: 640, height: 720 })
    await page.emulateMedia({ colorScheme: null })
  })
  afterEach(async () => {
    for (const event of ['console', 'dialog', 'pageerror']) page.removeAllListeners(event)
    await page.unrouteAll()
    // Before the servers of the test end, and so that its last document says nothing to the next test.
    await page.goto('about:blank')
    await page.context().clearCookies()
  })
  return () => page
}
