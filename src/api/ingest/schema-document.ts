import type { ExecutionView } from '../../core/execution.ts'
import { type DataType, type Field, typeName } from '../../core/schema.ts'

/** The columns of every table an execution knows, in one order whatever order they were loaded in. */
function tablesOf(view: ExecutionView): { name: string; fields: Field[]; resource: string }[] {
  return view.resources
    .flatMap(({ table, stream, schema }) => (schema ? [{ name: table, fields: schema.fields, resource: stream }] : []))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/** Changes exactly when a table or a column (name, type, nullability) does. Base64 of SHA-256; null while no schema is known. */
export async function schemaVersionHash(view: ExecutionView): Promise<string | null> {
  const tables = tablesOf(view)
  if (!tables.length) return null
  const facts = tables.map(({ name, fields }) => [name, fields.map((field) => [field.name, typeName(field.type), field.nullable])])
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(facts)))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
}

/** YAML in the shape in which clients of this API know a schema: `tables.<name>.columns.<name>`. */
export async function schemaDocument(view: ExecutionView): Promise<string> {
  const tables = tablesOf(view).map(({ name, fields, resource }): [string, Yaml] => [
    name,
    new Map<string, Yaml>([
      ['columns', new Map(fields.map((field): [string, Yaml] => [field.name, column(field)]))],
      ['resource', resource],
    ]),
  ])
  return toYaml(
    new Map<string, Yaml>([
      ['version', 1],
      ['version_hash', await schemaVersionHash(view)],
      ['name', view.pipeline],
      ['tables', new Map(tables)],
    ]),
  )
}

function column({ type, nullable, sourceType }: Field): Yaml {
  const entries: [string, Yaml][] = [
    ['data_type', dataType(type)],
    ['nullable', nullable],
    ['exact_type', typeName(type)],
  ]
  if (type.kind === 'decimal') entries.push(['precision', type.precision], ['scale', type.scale])
  if (type.kind === 'timestamp') entries.push(['timezone', type.zoned], ['precision', type.fractionDigits])
  if (sourceType) entries.push(['source_type', sourceType])
  return new Map(entries)
}

/** Names that clients of this API know; `exact_type` says what they leave out. */
function dataType(type: DataType): string {
  switch (type.kind) {
    case 'boolean':
      return 'bool'
    case 'int':
      return type.bits > 64 || (type.bits === 64 && !type.signed) ? 'wei' : 'bigint'
    case 'float':
      return 'double'
    case 'decimal':
      return 'decimal'
    case 'string':
    case 'uuid':
      return 'text'
    case 'bytes':
      return 'binary'
    case 'date':
      return 'date'
    case 'time':
      return 'time'
    case 'timestamp':
      return 'timestamp'
    case 'json':
    case 'array':
      return 'json'
  }
}

type Yaml = string | number | boolean | null | Map<string, Yaml>

/** Block mappings with every string in double quotes: JSON strings are YAML 1.2 strings, so nothing can be misread. */
function toYaml(map: Map<string, Yaml>, indent = ''): string {
  let text = ''
  for (const [key, value] of map) {
    const name = /^[a-z_]+$/.test(key) && !/^(?:y|n|yes|no|on|off|true|false|null)$/.test(key) ? key : JSON.stringify(key)
    if (!(value instanceof Map)) text += `${indent}${name}: ${JSON.stringify(value)}\n`
    else text += value.size ? `${indent}${name}:\n${toYaml(value, `${indent}  `)}` : `${indent}${name}: {}\n`
  }
  return text
}
