import { describe, expect, it } from 'vitest'
import manifest from '../../packages/cli/package.json' with { type: 'json' }
import { printable, printableJson } from '../../packages/cli/src/terminal/printable.js'
import { describeTime } from '../../packages/cli/src/terminal/times.js'
import { runCommand } from './harness.js'

const unreachable = () => Promise.reject(new TypeError('fetch failed'))

describe('the command', () => {
  it.each([[['--help']], [['-h']]])('%j tells which commands there are', async (args) => {
    const { code, stdout } = await runCommand(args)
    expect(code).toBe(0)
    for (const name of ['explain', 'doctor', 'issuer']) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    for (const exit of [0, 1, 2, 3]) expect(stdout).toContain(`${exit} `)
  })

  it.each([
    ['explain', ['issuer', 'audience', 'scope', 'introspect', 'json', 'help']],
    ['doctor', ['issuer', 'resource', 'introspect', 'json', 'help']],
    [
      'issuer',
      ['port', 'host', 'issuer', 'algorithm', 'typ', 'audience', 'mcp', 'dpop', 'api-key', 'clients', 'help'],
    ],
  ])('%s --help tells its flags', async (name, flags) => {
    for (const help of ['--help', '-h']) {
      const { code, stdout } = await runCommand([name, help])
      expect(code).toBe(0)
      expect(stdout).toMatch(new RegExp(`^Usage: telnyx-auth ${name} `))
      for (const flag of flags) expect(stdout).toMatch(new RegExp(`^  --${flag} `, 'm'))
    }
  })

  it('--version prints the version of the package', async () => {
    expect(await runCommand(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' })
  })

  it('without a command it prints the help, and ends with 2', async () => {
    const { code, stdout, stderr } = await runCommand([])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^Usage: telnyx-auth <command>/)
  })

  it.each([
    [['explian'], '"explian" is no command. There are: explain, doctor, issuer'],
    [['EXPLAIN'], 'The first argument is no command'],
    [['--explain'], "'--explain'"],
    [['--json', 'doctor'], "'--json'"],
    [['doctor', '--token', 'x'], "'--token'"],
    [['doctor', '--resource'], "'--resource <value>'"],
    [['doctor', '--resource', 'https://a.example', '--resource', 'https://b.example'], 'more than once'],
    [['doctor', 'https://a.example', '--issuer', 'https://a.example'], 'more than once'],
    [['doctor', 'https://a.example', 'https://b.example'], 'too many'],
    [['doctor', 'http://a.example'], 'https'],
    [['doctor', '--resource', 'http://a.example'], 'https'],
    [['doctor', '--json=yes'], '--json'],
    [['issuer', '--port', 'x'], '--port'],
    [['issuer', 'x'], 'x'],
  ])('%j: exit code 2, and where the help is', async (args, said) => {
    const { code, stdout, stderr } = await runCommand(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
    expect(stderr).toMatch(/^See telnyx-auth .*--help/m)
  })

  it('a token in the wrong place is not repeated', async () => {
    const token = `eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(100)}.${'b'.repeat(100)}`
    for (const args of [
      [token],
      [`--${token}`],
      ['doctor', '--issuer', token],
      ['doctor', `--${token}`],
      ['doctor', token, token],
    ]) {
      const { code, stderr } = await runCommand(args)
      expect(code).toBe(2)
      for (const part of token.split('.').slice(1)) expect(stderr).not.toContain(part)
    }
  })

  it.each([
    ['an opaque token that begins with hyphens', `--${'Ab3'.repeat(13)}`],
    ['one of lower-case letters', `--${'abc'.repeat(13)}`],
    ['a JWT', `eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(100)}.${'b'.repeat(100)}`],
    ['a text that a terminal executes', '--\u001b[31m'],
  ])('%s is repeated by no command', async (_, token) => {
    const commands = [[], ['doctor'], ['explain', '--audience', 'https://api.example.com'], ['issuer']]
    for (const command of commands) {
      const { stdout, stderr } = await runCommand([...command, token], { fetch: unreachable })
      expect(stdout + stderr).not.toBe('')
      expect(stdout + stderr).not.toContain(token)
    }
  })

  it('a flag cannot send a terminal anything to execute', async () => {
    expect((await runCommand(['doctor', '--\u001b[31m'])).stderr.replaceAll('\n', '')).not.toMatch(/\p{C}/u)
  })

  it('the issuer leaves no signal handler behind where it does not start', async () => {
    const count = process.listenerCount('SIGINT')
    await runCommand(['issuer', '--help'])
    await runCommand(['issuer', '--port', 'x'])
    expect(process.listenerCount('SIGINT')).toBe(count)
  })
})

describe('text', () => {
  it.each([
    ['plain ASCII', 'a b"c'],
    ['letters of all languages', 'äöü 日本語 😀'],
  ])('%s is printed as it is', (_, text) => {
    expect(printable(text)).toBe(text)
    expect(printableJson({ text })).toBe(JSON.stringify({ text }))
  })

  it.each([
    ['\u001b[31m', '\\u{1b}[31m'],
    ['\r\n\t', '\\u{d}\\u{a}\\u{9}'],
    ['\u009b1m', '\\u{9b}1m'],
    ['a\u202eb\u200b', 'a\\u{202e}b\\u{200b}'],
    ['\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['\ud800', '\\u{d800}'],
    ['\u{e0041}', '\\u{e0041}'],
    // Letters and marks that no reader can see: the fillers of Hangul, a joiner, selectors of variants.
    ['a\u3164b\u115f\uffa0', 'a\\u{3164}b\\u{115f}\\u{ffa0}'],
    ['a\u034fb\ufe0f\u{e0100}', 'a\\u{34f}b\\u{fe0f}\\u{e0100}'],
  ])('%j is escaped', (text, escaped) => {
    expect(printable(text)).toBe(escaped)
    const json = printableJson({ [text]: text })
    expect(json).not.toMatch(/[\p{C}\p{Zl}\p{Zp}\p{DI}]/u)
    expect(JSON.parse(json)).toEqual({ [text]: text })
  })

  it.each([
    [0, 100, '1970-01-01 00:00:00 UTC, 1 minute ago'],
    [0, 0.9, '1970-01-01 00:00:00 UTC, now'],
    [119.9, 0, '1970-01-01 00:01:59 UTC, in 1 minute'],
    [-1, 0, '1969-12-31 23:59:59 UTC, 1 second ago'],
    [253_402_300_799, 0, undefined],
    [Number.NaN, 0, undefined],
    [Number.POSITIVE_INFINITY, 0, undefined],
    [-100_000_000_000, 0, undefined],
    ['1', 0, undefined],
    [null, 0, undefined],
  ])('the time %s at %s', (seconds, now, text) => {
    expect(describeTime(seconds, now)).toBe(text)
  })
})
