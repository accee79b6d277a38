import type { ColumnRules } from '../../core/chunk.ts'
import { IngestError } from '../../core/errors.ts'
import type { Field } from '../../core/schema.ts'
import type { PostgresConfig } from './config.ts'
import type { Details } from './details.ts'
import { invalidRequest, sourcePlace } from './faults.ts'
import type { Queries } from './queries.ts'
import type { Relation } from './relation.ts'
import { type MappedType, mapType, type PgType } from './types.ts'

export interface SourceColumn {
  name: string
  number: string
  nullable: boolean
  sourceType: string
  readable: boolean
  mapped: MappedType
  labels: string[]
}

export async function readColumns(queries: Queries, relation: Relation): Promise<SourceColumn[]> {
  const rows = await queries.query(
    `SELECT a.attname AS name, a.attnum AS number, a.atttypid AS type, a.atttypmod AS typmod, a.attndims AS dimensions,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS source_type,
       a.attnotnull AND NOT EXISTS (
         -- A NOT NULL that was never validated holds for new rows only (version 18).
         SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey)
       ) AS not_null,
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable
     FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum`,
    [relation.oid],
  )
  const { types, labels } = await readTypes(queries, [...new Set(rows.map((row) => String(row.type)))])
  // A foreign server does not enforce NOT NULL, nor does a view; a domain's NOT NULL has documented holes.
  const enforced = relation.kind === 'r' || relation.kind === 'p'
  return rows.map((row) => {
    const type = String(row.type)
    return {
      name: String(row.name),
      number: String(row.number),
      nullable: !(enforced && row.not_null === 't'),
      sourceType: String(row.source_type),
      readable: row.readable === 't',
      mapped: mapType(type, Number(row.typmod), Number(row.dimensions), types),
      labels: labels.get(type) ?? [],
    }
  })
}

/** The types of the columns and all that they are made of. */
async function readTypes(queries: Queries, oids: string[]): Promise<{ types: Map<string, PgType>; labels: Map<string, string[]> }> {
  const rows = await queries.query(
    `WITH RECURSIVE reach (oid) AS (
       SELECT pg_catalog.unnest($1::oid[])
       UNION
       SELECT next.oid FROM reach r JOIN pg_catalog.pg_type t ON t.oid = r.oid
       CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS next (oid) WHERE next.oid <> 0
     )
     SELECT t.oid, n.nspname AS schema, t.typname AS name, t.typtype AS category, nullif(t.typbasetype, 0) AS base, t.typtypmod AS typmod,
       (SELECT e.oid FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid) AS element,
       (SELECT pg_catalog.json_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid) AS labels
     FROM reach r JOIN pg_catalog.pg_type t ON t.oid = r.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace`,
    [oids],
  )
  const types = new Map<string, PgType>()
  const labels = new Map<string, string[]>()
  for (const row of rows) {
    const oid = String(row.oid)
    types.set(oid, {
      oid,
      schema: String(row.schema),
      name: String(row.name),
      category: String(row.category),
      ...(row.base ? { baseOid: row.base, baseTypmod: Number(row.typmod) } : {}),
      ...(row.element ? { elementOid: row.element } : {}),
    })
    if (row.labels) labels.set(oid, JSON.parse(row.labels) as string[])
  }
  return { types, labels }
}

/** `lc_monetary` and how many digits it puts behind the point. */
export interface Monetary {
  locale: string
  scale: number
}

export async function readMonetary(queries: Queries, columns: SourceColumn[]): Promise<Monetary | null> {
  if (!columns.some(({ mapped }) => mapped.form === 'money' || mapped.form.endsWith(':money-items'))) return null
  const [row] = await queries.query(
    "SELECT pg_catalog.current_setting('lc_monetary') AS locale, pg_catalog.scale('0'::pg_catalog.money::pg_catalog.numeric) AS scale",
  )
  return { locale: row?.locale ?? 'C', scale: Number(row?.scale ?? 2) }
}

/** Fields and forms after the rules. Throws `invalid-request` for rules that name no column. */
export function applyRules(
  columns: SourceColumn[],
  rules: ColumnRules,
  monetary: Monetary | null,
  config: PostgresConfig,
  stream: string,
): { fields: Field[]; columns: Details['columns'] } {
  const names = new Set(columns.map(({ name }) => name))
  const issues = (['exclude', 'pseudonymize'] as const).flatMap((rule) =>
    rules[rule]
      .filter((name) => !names.has(name))
      .map((name) => ({ path: `rules.${rule}`, message: `"${stream}" has no column "${name}"` })),
  )
  if (issues.length) throw new IngestError({ tag: 'invalid-request', issues })
  if (columns.length === 0) {
    const message = 'The table has no columns'
    throw new IngestError({
      tag: 'unsupported',
      message,
      place: sourcePlace(config, stream),
      remedy: 'Read a table that has at least one column.',
    })
  }
  const kept = columns.filter(({ name }) => !rules.exclude.includes(name))
  if (kept.length === 0) throw invalidRequest('rules.exclude', `every column of "${stream}" is excluded`)
  const closed = kept.filter(({ readable }) => !readable)
  if (closed.length) throw unreadable(closed, kept.length, config, stream)
  const pseudonymized = new Set(rules.pseudonymize)
  return {
    fields: kept.map((column) => fieldOf(column, pseudonymized.has(column.name), monetary)),
    columns: kept.map(({ name, mapped }) => ({ name, form: mapped.form, pseudonym: pseudonymized.has(name) })),
  }
}

function fieldOf({ name, nullable, sourceType, mapped }: SourceColumn, pseudonym: boolean, monetary: Monetary | null): Field {
  if (pseudonym) return { name, type: { kind: 'string' }, nullable, sourceType, loss: 'replaced by a pseudonym (SHA-256)' }
  const type = withMonetaryScale(mapped, monetary)
  return { name, type, nullable, sourceType, ...(mapped.loss ? { loss: mapped.loss } : {}) }
}

function withMonetaryScale({ type, form }: MappedType, monetary: Monetary | null): Field['type'] {
  if (!monetary) return type
  const amount = { kind: 'decimal', precision: 19, scale: monetary.scale } as const
  if (form === 'money') return amount
  return form === 'array:money-items' ? { kind: 'array', of: amount } : type
}

function unreadable(closed: SourceColumn[], total: number, config: PostgresConfig, stream: string): IngestError {
  const names = closed.slice(0, 5).map(({ name }) => `"${name}"`)
  const which =
    closed.length === total ? 'this table' : `column${closed.length > 1 ? 's' : ''} ${names.join(', ')}${closed.length > 5 ? ', …' : ''}`
  return new IngestError({
    tag: 'denied',
    message: `User "${config.user}" may not read ${which}`,
    place: sourcePlace(config, stream),
    remedy: `GRANT SELECT on it to this user${closed.length === total ? '' : ', or exclude the columns'}.`,
    code: '42501',
  })
}

/** Primary key, else the smallest unique index over NOT NULL columns; only columns that are still there as they were. */
export async function readKey(queries: Queries, relation: Relation, fields: Field[]): Promise<string[]> {
  const [row] = await queries.query(
    `SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) AS names
     FROM (
       SELECT i.indrelid, i.indkey, i.indnkeyatts FROM pg_catalog.pg_index i
       WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
         -- A key of an inheritance parent says nothing about its children.
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent WHERE h.inhparent = i.indrelid AND c.relkind <> 'p')
         AND NOT EXISTS (
           SELECT FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k (number, place)
           JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
           WHERE k.place <= i.indnkeyatts AND NOT a.attnotnull)
       ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1
     ) AS chosen
     CROSS JOIN LATERAL pg_catalog.unnest(chosen.indkey) WITH ORDINALITY AS k (number, place)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = chosen.indrelid AND a.attnum = k.number
     WHERE k.place <= chosen.indnkeyatts`,
    [relation.oid],
  )
  const names = row?.names ? (JSON.parse(row.names) as string[]) : []
  const kept = new Map(fields.map((field) => [field.name, field]))
  const usable = names.every((name) => kept.get(name)?.nullable === false)
  return usable ? names : []
}
