/**
 * Names of the disposable tables, all in the destination's database and all recognisable:
 * `_sluice_<kind>_<tag>_<load>_<rest>`. The tag stands for the destination table, so that names stay far below
 * ClickHouse's file-name limit however long the table's own name is.
 *
 * Kinds: `t` template · `s` stage of one attempt · `u` work table of a merge · `n` shadow · `f` a shadow that was fenced off.
 */
export type TableKind = 't' | 's' | 'u' | 'n' | 'f'

const PREFIX = '_sluice_'

/** FNV-1a, 64 bits: a short stand-in for a long name, no protection against intent. */
export function tagOf(database: string, table: string): string {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(`${database}\u0000${table}`))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash.toString(36).padStart(13, '0')
}

/** Twelve characters that were never used before. */
export function randomId(): string {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => (byte % 36).toString(36)).join('')
}

export function tableName(kind: TableKind, tag: string, load: string, rest: string): string {
  return `${PREFIX}${kind}_${tag}_${load}_${rest}`
}

/** What the names of one kind start with: of one load, or of every load into this destination. */
export function namePrefix(kind: TableKind, tag: string, load?: string): string {
  return load === undefined ? `${PREFIX}${kind}_${tag}_` : `${PREFIX}${kind}_${tag}_${load}_`
}

/** A regular expression for every disposable table of one load. */
export function loadPattern(tag: string, load: string): string {
  return `^${PREFIX}[tsunf]_${tag}_${load}_`
}

/** The same, and what its publication kept for others. */
export function loadOrKeptPattern(tag: string, load: string): string {
  return `${loadPattern(tag, load)}|^${keptName(tag, load)}$`
}

/** Holds what somebody else wrote during a publication; nothing here ever removes it. */
export function keptName(tag: string, load: string): string {
  return `${PREFIX}kept_${tag}_${load}`
}

export function isOurs(table: string): boolean {
  return table.startsWith(PREFIX)
}
