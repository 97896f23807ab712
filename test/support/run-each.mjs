/**
 * Runs a program several times in one process, which is faster than a process for each run:
 * `run-each.mjs <program> <lists of arguments as JSON>`. Prints the exit code and the output of each run as JSON.
 */
import { pathToFileURL } from 'node:url'

const [program, calls] = process.argv.slice(2)
const print = process.stdout.write.bind(process.stdout)
// Each run of the program listens for signals.
process.setMaxListeners(0)

const outcomes = []
for (const [index, args] of JSON.parse(calls).entries()) {
  let output = ''
  for (const stream of [process.stdout, process.stderr])
    stream.write = (text) => {
      output += text
      return true
    }
  process.argv = [process.execPath, program, ...args]
  process.exitCode = 0
  // With another query, a module is evaluated again.
  await import(`${pathToFileURL(program)}?run=${index}`)
  outcomes.push({ code: process.exitCode, output })
}
process.exitCode = 0
print(JSON.stringify(outcomes))
