/** Reads the names of options out of what a package ships. */

/** The members of an interface or object type in a declaration file, in the order of the file. */
export function membersOf(declarations: string, beginning: string): string[] {
  const text = declarations.replace(/\/\*.*?\*\//gs, '').replace(/\/\/.*$/gm, '')
  const start = text.indexOf(beginning)
  if (start === -1) throw new Error(`There is no "${beginning}"`)
  const names: string[] = []
  let depth = 0
  for (const line of text.slice(start + beginning.length).split('\n')) {
    if (depth === 1) {
      const [, name] = /^\s*(?:readonly )?\[?(\w+)\]?\??\s*[:(]/.exec(line) ?? []
      if (name !== undefined) names.push(name)
    }
    for (const bracket of line.replaceAll('=>', '').match(/[{}()[\]<>]/g) ?? [])
      depth += '{([<'.includes(bracket) ? 1 : -1
    if (depth <= 0 && names.length > 0) return names
  }
  throw new Error(`"${beginning}" does not end`)
}

/** The members of an object that code reads: `options.name`. */
export function membersRead(code: string, object: string): string[] {
  return [
    ...new Set(Array.from(code.matchAll(new RegExp(`\\b${object}\\.(\\w+)`, 'g')), ([, name = '']) => name)),
  ]
}
