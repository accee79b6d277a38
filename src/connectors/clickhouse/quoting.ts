/** An identifier as ClickHouse reads it back verbatim, whatever characters it has. */
export function quoteName(name: string): string {
  return `\`${name.replace(/[\\`]/g, '\\$&')}\``
}

/** A string literal. */
export function quoteText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

/** `database.table`, both quoted. */
export function qualify(database: string, table: string): string {
  return `${quoteName(database)}.${quoteName(table)}`
}

/** `(a, b)`; a tuple even when it has one member, so that IN compares like with like. */
export function nameTuple(names: readonly string[]): string {
  return names.length === 1 ? `tuple(${quoteName(names[0] ?? '')})` : `(${names.map(quoteName).join(', ')})`
}
