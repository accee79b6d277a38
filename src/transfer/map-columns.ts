import { textForm } from '../codecs/encode-tsv.ts'
import type { ColumnRules } from '../core/chunk.ts'
import { IngestError } from '../core/errors.ts'
import type { RecordBatch } from '../core/payload.ts'
import type { Schema } from '../core/schema.ts'

/** The schema after the rules. @throws IngestError `invalid-request` for a column that is not there */
export function mapSchema(schema: Schema, rules: ColumnRules): Schema {
  const names = new Set(schema.fields.map((field) => field.name))
  const unknown = [...rules.exclude, ...rules.pseudonymize].filter((name) => !names.has(name))
  if (unknown.length > 0) {
    throw new IngestError({
      tag: 'invalid-request',
      issues: unknown.map((name) => ({
        path: 'column_rules',
        message: `There is no column "${name}"; there are: ${[...names].join(', ')}`,
      })),
    })
  }
  return {
    fields: schema.fields
      .filter((field) => !rules.exclude.includes(field.name))
      .map((field) => (rules.pseudonymize.includes(field.name) ? { ...field, type: { kind: 'string' } as const, loss: undefined } : field)),
  }
}

/** Applies the rules batch by batch; one batch is alive at a time. */
export async function* mapColumns(
  schema: Schema,
  batches: AsyncIterable<RecordBatch>,
  rules: ColumnRules,
  salt: string,
): AsyncIterable<RecordBatch> {
  for await (const batch of batches) {
    const columns: ArrayLike<unknown>[] = []
    for (const [index, field] of schema.fields.entries()) {
      const column = batch.columns[index] as ArrayLike<unknown>
      if (rules.exclude.includes(field.name)) continue
      if (!rules.pseudonymize.includes(field.name)) {
        columns.push(column)
        continue
      }
      const hashed: unknown[] = []
      for (let row = 0; row < batch.rowCount; row++) {
        const value = column[row]
        hashed.push(value === null || value === undefined ? null : await sha256Hex(textForm(value, field.type) + salt))
      }
      columns.push(hashed)
    }
    yield { rowCount: batch.rowCount, columns }
  }
}

async function sha256Hex(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  let hex = ''
  for (const byte of digest) hex += byte.toString(16).padStart(2, '0')
  return hex
}
