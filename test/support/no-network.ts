import nock from 'nock'
import { afterAll, afterEach, beforeAll } from 'vitest'

/** No test leaves this machine, and none finds the answers of another. */
beforeAll(() => {
  if (!nock.isActive()) nock.activate()
  nock.disableNetConnect()
  nock.enableNetConnect(/^(127\.0\.0\.1|localhost):\d+$/)
})
afterEach(() => {
  nock.cleanAll()
})
afterAll(() => {
  nock.restore()
})
