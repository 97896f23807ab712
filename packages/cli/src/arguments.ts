import { type ParseArgsConfig, parseArgs } from 'node:util'
import { printable } from './terminal/printable.js'

/** A wrong call of the command. The message is for the terminal. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<Given extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Given; allowPositionals: true }>
>

/**
 * Parses the arguments of one command.
 *
 * @throws {UsageError} for an unknown flag, a missing value, and more than one argument that is no flag
 */
export function parse<const Given extends Options>(
  args: readonly string[],
  options: Given,
): { values: Parsed<Given>['values']; positional: string | undefined } {
  const { values, positionals } = parseStrictly(args, options)
  const [positional, ...more] = positionals
  if (more.length > 0)
    throw new UsageError(`There is one argument too many: ${positionals.length} were given`)
  return { values, positional }
}

function parseStrictly<const Given extends Options>(args: readonly string[], options: Given): Parsed<Given> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    // The first sentence says what is wrong. It is cut, because what was pasted in the wrong place may be a token.
    const [sentence = ''] = error instanceof Error ? error.message.split(/\.\s/) : []
    throw new UsageError(printable(sentence.slice(0, 60)))
  }
}

/**
 * The value of a flag that may be given once. `parseArgs` would take the last one of several.
 *
 * @throws {UsageError} for a flag that was repeated
 */
export function single(values: readonly string[] | undefined, flag: string): string | undefined {
  if (values !== undefined && values.length > 1) throw new UsageError(`${flag} was given more than once`)
  return values?.[0]
}
