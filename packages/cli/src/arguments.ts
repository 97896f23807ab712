import { type ParseArgsConfig, parseArgs } from 'node:util'

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
    throw new UsageError(describeRefusal(error))
  }
}

/** What is wrong, in a sentence. It repeats nothing that may be a token: one may be pasted in any place, and may begin with hyphens. */
function describeRefusal(error: unknown): string {
  const { code, message }: { code?: unknown; message?: unknown } = Object(error)
  const [sentence = ''] = String(message).split(/\.\s/, 1)
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' || LIKELY_FLAG.test(sentence)) return sentence
  return 'There is an unknown option'
}

const LIKELY_FLAG = /^Unknown option '--?[a-z][a-z-]{0,15}'$/

/**
 * The value of a flag that may be given once. `parseArgs` would take the last one of several.
 *
 * @throws {UsageError} for a flag that was repeated
 */
export function single(values: readonly string[] | undefined, flag: string): string | undefined {
  if (values !== undefined && values.length > 1) throw new UsageError(`${flag} was given more than once`)
  return values?.[0]
}
