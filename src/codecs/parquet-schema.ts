import { type FileMetaData, parquetSchema, type SchemaElement, type SchemaTree } from 'hyparquet'
import type { DataType, Field } from '../core/schema.ts'
import { badData } from './bad-data.ts'

/** From what the reader hands over (a physical value, never null) to the record form of the column. */
export type ParquetValue = (value: unknown) => unknown

export interface ParquetColumn {
  field: Field
  read: ParquetValue
  /** Another reader of the same bytes arrives at the same value: the file may be passed on unread. */
  passable: boolean
}

export interface ParquetLayout {
  columns: ParquetColumn[]
  /** The metadata with the annotations removed that would make the reader round: it then hands over exact physical values. */
  metadata: FileMetaData
}

const DECIMAL_PRECISION_MAX = 76
const NANOS_PER_DAY = 86_400_000_000_000n

/** What a Parquet file holds, exactly. Source: apache/parquet-format LogicalTypes.md. */
export function parquetLayout(metadata: FileMetaData): ParquetLayout {
  const columns = parquetSchema(metadata).children.map(column)
  return { columns, metadata: { ...metadata, schema: metadata.schema.map(physicalElement) } }
}

function column(tree: SchemaTree): ParquetColumn {
  const { type, read, passable, loss } = nodeType(tree)
  const { element } = tree
  return {
    field: {
      name: element.name,
      type,
      nullable: element.repetition_type !== 'REQUIRED',
      sourceType: element.logical_type?.type ?? element.converted_type ?? element.type ?? 'GROUP',
      ...(loss && { loss }),
    },
    read,
    passable,
  }
}

interface NodeType {
  type: DataType
  read: ParquetValue
  passable: boolean
  loss?: string
}

function nodeType(tree: SchemaTree): NodeType {
  const { element, children } = tree
  if (children.length === 0) {
    const leaf = leafType(element)
    return element.repetition_type === 'REPEATED' ? listOf(leaf) : leaf
  }
  const item = listItem(tree)
  if (item) return listOf(item.children.length === 0 ? leafType(item.element) : nodeType(item))
  const json = jsonWriter(tree)
  return { type: { kind: 'json' }, read: json, passable: false }
}

function listOf(item: NodeType): NodeType {
  const read = (value: unknown) =>
    Array.from(value as ArrayLike<unknown>, (one) => (one === null || one === undefined ? null : item.read(one)))
  return { type: { kind: 'array', of: item.type }, read, passable: item.passable, loss: item.loss }
}

/** The item of a list written in the two- or three-level form, as the reader assembles it. */
function listItem({ element, children }: SchemaTree): SchemaTree | undefined {
  const repeated = children[0]
  if (element.converted_type !== 'LIST' && element.logical_type?.type !== 'LIST') return undefined
  if (children.length !== 1 || !repeated || repeated.element.repetition_type !== 'REPEATED' || repeated.children.length > 1)
    return undefined
  return repeated.children[0] ?? { ...repeated, element: { ...repeated.element, repetition_type: 'REQUIRED' } }
}

function leafType(element: SchemaElement): NodeType {
  const logical = element.logical_type
  const same = (value: unknown) => value
  switch (logical?.type ?? element.converted_type) {
    case 'STRING':
    case 'UTF8':
    case 'ENUM':
      return { type: { kind: 'string' }, read: same, passable: true }
    case 'JSON':
      return { type: { kind: 'json' }, read: same, passable: true }
    case 'UUID':
      return { type: { kind: 'uuid' }, read: uuidText, passable: false }
    case 'DECIMAL':
      return decimalType(element)
    case 'DATE':
      return { type: { kind: 'date' }, read: (days) => dayText(BigInt(days as number)), passable: true }
    case 'TIME':
    case 'TIME_MILLIS':
    case 'TIME_MICROS': {
      const digits = fractionDigits(element)
      return { type: { kind: 'time' }, read: (value) => timeText(BigInt(value as number | bigint), digits), passable: false }
    }
    case 'TIMESTAMP':
    case 'TIMESTAMP_MILLIS':
    case 'TIMESTAMP_MICROS': {
      const digits = fractionDigits(element)
      const zoned = logical?.type === 'TIMESTAMP' ? logical.isAdjustedToUTC : true
      return {
        type: { kind: 'timestamp', zoned, fractionDigits: digits },
        read: (value) => momentText(BigInt(value as number | bigint), digits, zoned),
        passable: true,
      }
    }
    case 'FLOAT16':
      return { type: { kind: 'float', bits: 32 }, read: same, passable: false }
    case 'GEOMETRY':
    case 'GEOGRAPHY':
      return { type: { kind: 'bytes' }, read: same, passable: false, loss: 'becomes the bytes of its well-known binary form' }
    case 'BSON':
    case 'INTERVAL':
      return { type: { kind: 'bytes' }, read: same, passable: false, loss: 'becomes the bytes it is stored as' }
    default:
      return physicalType(element)
  }
}

function physicalType(element: SchemaElement): NodeType {
  const same = (value: unknown) => value
  switch (element.type) {
    case 'BOOLEAN':
      return { type: { kind: 'boolean' }, read: same, passable: true }
    case 'INT32':
    case 'INT64': {
      const stored = element.type === 'INT32' ? 32 : 64
      const { bits, signed } = integerForm(element, stored)
      const read = bits <= 32 ? Number : (value: unknown) => BigInt(value as number | bigint)
      return { type: { kind: 'int', bits, signed }, read: (value) => read(value as bigint), passable: true }
    }
    case 'INT96':
      // Deprecated form that Spark, Hive and Impala write for instants; the reader makes nanoseconds of it.
      return {
        type: { kind: 'timestamp', zoned: true, fractionDigits: 9 },
        read: (value) => momentText(value as bigint, 9, true),
        passable: false,
      }
    case 'FLOAT':
      return { type: { kind: 'float', bits: 32 }, read: same, passable: true }
    case 'DOUBLE':
      return { type: { kind: 'float', bits: 64 }, read: same, passable: true }
    default:
      return { type: { kind: 'bytes' }, read: same, passable: false }
  }
}

function integerForm(element: SchemaElement, stored: 32 | 64): { bits: 8 | 16 | 32 | 64; signed: boolean } {
  if (element.logical_type?.type === 'INTEGER') {
    const { bitWidth, isSigned } = element.logical_type
    return { bits: bitWidth === 8 || bitWidth === 16 || bitWidth === 32 ? bitWidth : 64, signed: isSigned }
  }
  const named = /^(U?)INT_(8|16|32|64)$/.exec(element.converted_type ?? '')
  return named ? { bits: Number(named[2]) as 8 | 16 | 32 | 64, signed: named[1] === '' } : { bits: stored, signed: true }
}

function decimalType(element: SchemaElement): NodeType {
  const logical = element.logical_type?.type === 'DECIMAL' ? element.logical_type : undefined
  const precision = logical?.precision ?? element.precision ?? 38
  const scale = logical?.scale ?? element.scale ?? 0
  const read = (value: unknown) => decimalText(value instanceof Uint8Array ? signedInteger(value) : BigInt(value as number | bigint), scale)
  if (precision > DECIMAL_PRECISION_MAX) return { type: { kind: 'string' }, read, passable: false }
  return { type: { kind: 'decimal', precision, scale }, read, passable: true }
}

function fractionDigits(element: SchemaElement): 3 | 6 | 9 {
  const logical = element.logical_type
  const unit = logical?.type === 'TIMESTAMP' || logical?.type === 'TIME' ? logical.unit : element.converted_type?.split('_')[1]
  return unit === 'MILLIS' ? 3 : unit === 'NANOS' ? 9 : 6
}

/** Strips what would turn an exact value into a rounded one; lists keep theirs, maps lose it to keep odd keys. */
function physicalElement(element: SchemaElement): SchemaElement {
  const { logical_type: logical, converted_type: converted, ...rest } = element
  if (element.num_children) {
    return logical?.type === 'LIST' || converted === 'LIST' ? { ...rest, converted_type: 'LIST' } : rest
  }
  switch (logical?.type ?? converted) {
    case 'STRING':
    case 'UTF8':
    case 'ENUM':
    case 'JSON':
      return { ...rest, converted_type: 'UTF8' }
    case 'FLOAT16':
    case 'INTEGER':
      return element
    case 'UINT_32':
    case 'UINT_64':
      return element
    default:
      return rest
  }
}

/** Writes an assembled struct, map or list as JSON text, with every digit. */
function jsonWriter(tree: SchemaTree): ParquetValue {
  const isMap =
    tree.element.converted_type === 'MAP' || tree.element.converted_type === 'MAP_KEY_VALUE' || tree.element.logical_type?.type === 'MAP'
  const entries = tree.children[0]
  if (isMap && entries && entries.children.length === 2) {
    const [key, value] = entries.children as [SchemaTree, SchemaTree]
    const writeKey = jsonNode(key)
    const writeValue = jsonNode(value)
    return (map) => {
      const list = (map as Record<string, unknown>)[entries.element.name] as Record<string, unknown>[] | undefined
      return `{${(list ?? []).map((entry) => `${asKey(writeKey(entry[key.element.name]))}:${writeValue(entry[value.element.name])}`).join(',')}}`
    }
  }
  const parts = tree.children.map((child) => ({
    key: JSON.stringify(child.element.name),
    name: child.element.name,
    write: jsonNode(child),
  }))
  const one = (value: unknown) =>
    `{${parts.map(({ key, name, write }) => `${key}:${write((value as Record<string, unknown>)[name])}`).join(',')}}`
  return tree.element.repetition_type === 'REPEATED' ? (value) => `[${Array.from(value as ArrayLike<unknown>, one).join(',')}]` : one
}

function jsonNode(tree: SchemaTree): (value: unknown) => string {
  const { type, read } = nodeType(tree)
  return (value) => (value === null || value === undefined ? 'null' : jsonText(read(value), type))
}

function jsonText(value: unknown, type: DataType): string {
  if (value === null || value === undefined) return 'null'
  switch (type.kind) {
    case 'json':
    case 'int':
    case 'decimal':
      return String(value)
    case 'float':
      return Number.isFinite(value) ? String(value) : `"${String(value)}"`
    case 'array':
      return `[${(value as unknown[]).map((item) => jsonText(item, type.of)).join(',')}]`
    case 'bytes':
      return `"${Array.from(value as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join('')}"`
    default:
      return JSON.stringify(value)
  }
}

function asKey(json: string): string {
  return json.startsWith('"') ? json : JSON.stringify(json)
}

function signedInteger(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return unscaled.toString() + (unscaled === 0n ? '' : '0'.repeat(-scale))
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

function dayText(day: bigint): string {
  const moment = new Date(Number(day) * 86_400_000)
  const year = moment.getUTCFullYear()
  if (!(year >= 0 && year <= 9999))
    throw badData(`Day ${day} after 1970-01-01 lies outside the years 0 to 9999`, 'Correct the value, or leave the column out.')
  return moment.toISOString().slice(0, 10)
}

function momentText(value: bigint, digits: 3 | 6 | 9, zoned: boolean): string {
  const unitsPerDay = NANOS_PER_DAY / 10n ** BigInt(9 - digits)
  const inDay = ((value % unitsPerDay) + unitsPerDay) % unitsPerDay
  return `${dayText((value - inDay) / unitsPerDay)} ${timeText(inDay, digits)}${zoned ? '+00' : ''}`
}

function timeText(value: bigint, digits: 3 | 6 | 9): string {
  const perSecond = 10n ** BigInt(digits)
  const seconds = Number(value / perSecond)
  const fraction = (value % perSecond).toString().padStart(digits, '0').replace(/0+$/, '')
  const two = (number: number) => String(number).padStart(2, '0')
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction ? `.${fraction}` : ''}`
}

function uuidText(value: unknown): string {
  const hex = Array.from(value as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
