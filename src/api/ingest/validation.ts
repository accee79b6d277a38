import type { z } from 'zod'
import { type Fault, IngestError } from '../../core/errors.ts'

/**
 * This API words its validation errors as pydantic does, whose clients match on them. A message of a validator of the
 * API's own carries this prefix.
 */
export function valueError(message: string): string {
  return `Value error, ${message}`
}

/** Parses, or throws `invalid-request` with one issue per mistake. */
export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value, { error: wording })
  if (result.success) return result.data
  const issues = result.error.issues.map(({ path, message }) => ({ path: ['body', ...path].map(String).join('/'), message }))
  throw new IngestError({ tag: 'invalid-request', issues })
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0]

export function wording(issue: RawIssue): string | undefined {
  if (issue.code === 'invalid_type' || issue.code === 'invalid_value') {
    if (issue.input === undefined) return 'Field required'
  }
  if (issue.code === 'invalid_type') return EXPECTED[issue.expected]
  if (issue.code === 'invalid_value') return `Input should be ${listed(issue.values.map((value) => `'${String(value)}'`))}`
  return undefined
}

const EXPECTED: Record<string, string> = {
  string: 'Input should be a valid string',
  array: 'Input should be a valid list',
  object: 'Input should be a valid dictionary or object to extract fields from',
  record: 'Input should be a valid dictionary',
  number: 'Input should be a valid number',
  int: 'Input should be a valid integer',
  boolean: 'Input should be a valid boolean',
}

function listed(items: string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`
}

/** Our words for the parts of a command, and how this API calls them. */
const WIRE_NAMES: Record<string, string> = {
  pipeline: 'identity',
  sourceUri: 'source_uri',
  destinationUri: 'destination_uri',
  dataset: 'dataset_name',
  stream: 'source_table_name',
  table: 'destination_table_name',
  cursor: 'incremental_config',
  column: 'incremental_key',
  mode: 'write_disposition_config',
  rules: 'column_rules',
  exclude: 'exclude_columns',
  pseudonymize: 'pseudonymizing_columns',
  key: 'primary_key',
  idempotencyKey: 'idempotency_key',
}

const URI_FIELDS = ['source_uri', 'destination_uri']

/**
 * `{"errors": {<last part of the place>: [messages]}}`. What is wrong inside a URI is told under the URI's own field,
 * which is what the caller can change. Places that `parseWith` found (`body/…`) are already in this API's words; those
 * of operations (`resources.0.stream`) are translated.
 */
export function errorsOf(fault: Extract<Fault, { tag: 'invalid-request' }>): Record<string, string[]> {
  const errors = new Map<string, string[]>()
  for (const { path, message } of fault.issues) {
    const ours = path.startsWith('body/') || path === 'body'
    const parts = path.split(ours ? '/' : '.').map((part) => (ours ? part : (WIRE_NAMES[part] ?? part)))
    const uri = !ours && URI_FIELDS.includes(parts[0] ?? '') ? parts[0] : undefined
    const key = uri ?? (parts.at(-1) || 'body')
    const option = uri ? parts.slice(1).join('.') : ''
    const text = option ? valueError(`${option}: ${message}`) : message
    errors.set(key, [...(errors.get(key) ?? []), text])
  }
  return Object.fromEntries(errors)
}
