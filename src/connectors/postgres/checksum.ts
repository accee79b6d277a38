import { CHECKSUM_KINDS, CHECKSUM_SEPARATOR } from '../../core/checksum.ts'
import type { Chunk, StreamDescription } from '../../core/chunk.ts'
import type { ReadOptions } from '../../core/connector.ts'
import { IngestError } from '../../core/errors.ts'
import type { PostgresConfig } from './config.ts'
import { detailsOf } from './details.ts'
import { invalidRequest, sourcePlace } from './faults.ts'
import { legsOf, type Slice } from './plan.ts'
import { quoteLiteral } from './quote.ts'
import { canonicalText, columnReference, pseudonym, selectFrom } from './select.ts'

/** One row, one column `sum`: the checksum of a chunk over the fields named, by the rule of core/checksum.ts. */
export function checksumQuery(
  description: StreamDescription,
  chunk: Chunk,
  fields: string[],
  { pseudonymSalt }: ReadOptions,
  config: PostgresConfig,
): string {
  const details = detailsOf(description)
  const texts = fields.map((name) => {
    const at = description.schema.fields.findIndex((field) => field.name === name)
    const field = description.schema.fields[at]
    const column = details.columns[at]
    if (!field || !column) throw invalidRequest('fields', `"${description.stream}" has no field "${name}"`)
    if (!(CHECKSUM_KINDS as readonly string[]).includes(field.type.kind))
      throw noChecksum(description.stream, name, field.type.kind, config)
    const reference = columnReference(name)
    const text = column.pseudonym ? pseudonym(column.form, reference, pseudonymSalt) : canonicalText(field.type, column.form, reference)
    return `coalesce('V' || ${text}, 'N')`
  })
  const joined = `pg_catalog.array_to_string(ARRAY[${texts.join(', ')}]::pg_catalog.text[], ${quoteLiteral(CHECKSUM_SEPARATOR)})`
  const digest = `pg_catalog.md5(pg_catalog.convert_to(${joined}, 'UTF8'))`
  const number = `('x' || pg_catalog.left(${digest}, 8))::pg_catalog.bit(32)::pg_catalog.int8 AS number`
  const rows = selectFrom([number], legsOf(details, chunk.slice as Slice), details.cursor)
  return `SELECT coalesce(pg_catalog.sum(number), 0) AS sum FROM (${rows}) AS numbers`
}

function noChecksum(stream: string, column: string, kind: string, config: PostgresConfig): IngestError {
  return new IngestError({
    tag: 'unsupported',
    message: `There is no checksum over values of kind ${kind}`,
    place: { ...sourcePlace(config, stream), column },
    remedy: 'Leave the field out of the checksum.',
  })
}
