import { IngestError } from '../../core/errors.ts'
import type { PostgresConfig } from './config.ts'
import { sourcePlace } from './faults.ts'
import type { Queries } from './queries.ts'

export interface Relation {
  oid: string
  schema: string
  name: string
  /** pg_class.relkind: r table, p partitioned, v view, m materialized view, f foreign table. */
  kind: 'r' | 'p' | 'v' | 'm' | 'f'
  serverVersion: number
}

/**
 * Finds the table that a user's name means: an exact name in the search_path first (it may contain dots), then
 * `schema.table`, then SQL quoting. Throws `missing` with the nearest names.
 */
export async function findRelation(queries: Queries, stream: string, config: PostgresConfig): Promise<Relation> {
  const candidates = readName(stream)
  const rows = await queries.query(
    `SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, pg_catalog.current_setting('server_version_num') AS version
     FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS q (schema, name, place)
     JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(CASE WHEN q.schema IS NULL THEN '' ELSE pg_catalog.quote_ident(q.schema) || '.' END || pg_catalog.quote_ident(q.name))
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     -- A name of more than 63 bytes would be cut and find another table.
     WHERE c.relname = q.name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
     ORDER BY q.place LIMIT 1`,
    [candidates.map(({ schema }) => schema), candidates.map(({ name }) => name)],
  )
  const found = rows[0]
  if (!found) throw await missing(queries, stream, config)
  return {
    oid: String(found.oid),
    schema: String(found.schema),
    name: String(found.name),
    kind: String(found.kind) as Relation['kind'],
    serverVersion: Number(found.version),
  }
}

/** All readings of a name, likeliest first. */
export function readName(stream: string): { schema: string | null; name: string }[] {
  const readings: { schema: string | null; name: string }[] = [{ schema: null, name: stream }]
  for (let dot = stream.indexOf('.'); dot >= 0; dot = stream.indexOf('.', dot + 1)) {
    if (dot > 0 && dot < stream.length - 1) readings.push({ schema: stream.slice(0, dot), name: stream.slice(dot + 1) })
  }
  const quoted = readQuoted(stream)
  if (quoted) readings.push(quoted)
  return readings
}

/** `"We.ird"."Ta ""ble"`, `public."Users"`, `"Users"`. */
function readQuoted(stream: string): { schema: string | null; name: string } | undefined {
  if (!stream.includes('"')) return undefined
  const part = /"((?:[^"]|"")+)"|([^".]+)/y
  const parts: string[] = []
  for (;;) {
    const match = part.exec(stream)
    if (!match) return undefined
    parts.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    if (part.lastIndex === stream.length) break
    if (stream[part.lastIndex] !== '.') return undefined
    part.lastIndex++
  }
  const [first, second] = parts
  if (parts.length === 1 && first !== undefined) return { schema: null, name: first }
  return parts.length === 2 && first !== undefined && second !== undefined ? { schema: first, name: second } : undefined
}

const NAMES_COMPARED = 5_000

async function missing(queries: Queries, stream: string, config: PostgresConfig): Promise<IngestError> {
  const rows = await queries.query(
    `SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_table_is_visible(c.oid) AS visible
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
     ORDER BY 1, 2 LIMIT ${NAMES_COMPARED}`,
  )
  const names = rows.map((row) => (row.visible === 't' ? String(row.name) : `${row.schema}.${row.name}`))
  const near = nearest(stream, names)
  return new IngestError({
    tag: 'missing',
    message: `There is no table or view "${stream}" in database "${config.database}"`,
    place: sourcePlace(config, stream),
    remedy: near.length
      ? `Nearest names: ${near.map((name) => `"${name}"`).join(', ')}. Upper case and blanks count.`
      : 'Check the name and the schema; this user sees no table with a similar name.',
    code: '42P01',
  })
}

/** Up to three names a typing error away. */
export function nearest(wanted: string, names: string[]): string[] {
  const plain = (name: string) =>
    name
      .toLowerCase()
      .replace(/^public\./, '')
      .replaceAll('"', '')
  const target = plain(wanted)
  const limit = Math.max(2, Math.floor(target.length / 3))
  return names
    .map((name) => ({
      name,
      distance: Math.min(distance(target, plain(name)), distance(target, plain(name.slice(name.indexOf('.') + 1)))),
    }))
    .filter((candidate) => candidate.distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** Levenshtein. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > Math.max(a.length, b.length) / 2) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
