import { ArrayType, LiteralType, ReferenceType, ReflectionKind, TypeOperatorType, UnionType } from 'typedoc'
import ts from 'typescript'

/**
 * Writes the name of an exported union of words in place of its words. TypeScript forgets the name where `undefined` is added,
 * as it is to every optional member.
 */
export function nameUnions(context) {
  const { project } = context
  const aliases = project
    .getReflectionsByKind(ReflectionKind.TypeAlias)
    .map((alias) => ({ alias, words: wordsOfAlias(context, alias) }))
    .filter(({ words }) => words.size > 1)
    .sort((a, b) => b.words.size - a.words.size)

  const named = (type) => {
    if (type instanceof ArrayType) type.elementType = named(type.elementType)
    if (type instanceof TypeOperatorType) type.target = named(type.target)
    if (type instanceof ReferenceType) type.typeArguments = type.typeArguments?.map(named)
    if (!(type instanceof UnionType)) return type
    const { alias, words } = aliases.find((each) => isSubset(each.words, wordsOf(type))) ?? {}
    const others = type.types.map(named).filter((each) => !words?.has(each.value))
    if (!alias) return sorted(others)
    const reference = ReferenceType.createResolvedReference(alias.name, alias, project)
    return others.length === 0 ? reference : named(new UnionType([reference, ...others]))
  }

  // An alias is as it is written.
  for (const reflection of Object.values(project.reflections))
    if (reflection.type && !reflection.kindOf(ReflectionKind.TypeAlias))
      reflection.type = named(reflection.type)
}

/** The words of an alias, also where they come from a value, such as an array. They are then written in its place. */
function wordsOfAlias(context, alias) {
  const symbol = context.getSymbolFromReflection(alias)
  const { types = [] } = context.programs[0].getTypeChecker().getDeclaredTypeOfSymbol(symbol)
  const words = types.map(({ value }) => value)
  if (words.length === 0 || !words.every((word) => typeof word === 'string')) return new Set()
  const isWritten = symbol.declarations?.some(({ type }) => type?.kind === ts.SyntaxKind.UnionType)
  if (!isWritten) alias.type = sorted(words.map((word) => new LiteralType(word)))
  return new Set(words)
}

/** The order in which TypeScript keeps the types of a union depends on other files. */
function sorted(types) {
  const isLast = (type) => ['undefined', 'null'].includes(type.toString())
  const compare = (a, b) => Number(isLast(a)) - Number(isLast(b)) || (a.toString() < b.toString() ? -1 : 1)
  return new UnionType([...types].sort(compare))
}

/** The words of a union: the strings that it consists of. */
function wordsOf(type) {
  const types = type instanceof UnionType ? type.types : []
  return new Set(types.filter((each) => each instanceof LiteralType).map(({ value }) => value))
}

function isSubset(part, whole) {
  return [...part].every((each) => whole.has(each))
}
