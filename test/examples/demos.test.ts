import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { ROOT, read } from '../docs/markdown.js'

/** In this process, from source: a process for each takes ten times as long. `test/packaging` runs those that start servers. */
it.each(['opentelemetry', 'queue', 'websocket'])(
  '%s/demo.js prints what its README shows',
  async (example) => {
    const log = vi.spyOn(console, 'log').mockReturnValue()
    await import(join(ROOT, 'examples', example, 'demo.js'))
    const printed = log.mock.calls.map(([line]) => `${line}\n`).join('')
    const [, transcript] = /```text\n(.*?)```/s.exec(await read(`examples/${example}/README.md`)) ?? []
    expect(printed).toBe(transcript)
  },
)
