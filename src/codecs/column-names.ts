/**
 * Names for the columns of a header: an empty name becomes `column<n>`, a repeated one gets `_2`, `_3`, …; always the
 * same for the same header.
 */
export function columnNames(header: readonly string[]): { names: string[]; renamed: string[] } {
  const taken = new Set(header)
  const used = new Set<string>()
  const renamed: string[] = []
  const names = header.map((original, index) => {
    let name = original
    if (name === '' || used.has(name)) {
      const stem = name === '' ? `column${index + 1}` : name
      name = stem
      for (let count = 2; used.has(name) || (name !== original && taken.has(name)); count++) name = `${stem}_${count}`
      renamed.push(`${original === '' ? 'the empty name' : `"${original}"`} of column ${index + 1} became "${name}"`)
    }
    used.add(name)
    return name
  })
  return { names, renamed }
}
