import { run } from '@telnyx-auth/cli'
import type { FetchFunction } from '@telnyx-auth/core'
import { vi } from 'vitest'

/** What surrounds a run of the command. */
export interface Surroundings {
  readonly fetch?: FetchFunction
  readonly stdin?: string
  /** Beside the environment of this process, which has no variables of ours. */
  readonly env?: Readonly<Record<string, string>>
  readonly isTTY?: boolean
}

/** What a run of the command has written, and its exit code. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command in this process. */
export async function runCommand(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const { fetch, stdin = '', env = {}, isTTY = false } = surroundings
  const written = { stdout: '', stderr: '' }
  const output = (name: keyof typeof written) => ({
    isTTY,
    write(text: string) {
      written[name] += text
    },
  })
  const code = await run(args, {
    stdin: chunksOf(stdin),
    stdout: output('stdout'),
    stderr: output('stderr'),
    env: { ...process.env, ...env },
    ...(fetch && { fetch }),
  })
  return { code, ...written }
}

async function* chunksOf(text: string): AsyncGenerator<Buffer> {
  // In pieces, as a pipe brings it.
  const bytes = Buffer.from(text)
  for (let start = 0; start < bytes.length; start += 100) yield bytes.subarray(start, start + 100)
}

/** What `doctor --json` prints. */
export interface Diagnosis {
  readonly outcome: string
  readonly findings: readonly {
    readonly id: string
    readonly outcome: string
    readonly message: string
    readonly repair?: string
  }[]
}

/** Runs `doctor --json`, and parses the one object that it prints. */
export async function diagnose(
  args: readonly string[],
  surroundings: Surroundings,
): Promise<Diagnosis & { code: number; of: (id: string) => Diagnosis['findings'][number] | undefined }> {
  const { code, stdout } = await runCommand(['doctor', '--json', ...args], surroundings)
  const diagnosis: Diagnosis = JSON.parse(stdout)
  return { ...diagnosis, code, of: (id) => diagnosis.findings.find((finding) => finding.id === id) }
}

/** Core warns of what only an operator can repair. The command prints it as a finding. */
export function ignoreWarnings(): void {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
}
