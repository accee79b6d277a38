import type { DataType } from '../../core/schema.ts'

/**
 * How a value becomes its text form inside a SELECT. `asis`: what COPY writes already is it.
 * `render` in select.ts turns these into SQL.
 */
export type Form = 'asis' | 'bytea' | 'money'

/** How an array of the type becomes a JSON array whose items are text forms, or JSON numbers and booleans. */
export type ArrayForm =
  /** The JSON functions write the items right already. */
  | 'items'
  /** Items pass through text first: JSON numbers would lose digits, JSON times have another form. */
  | 'text-items'
  | 'bigint-items'
  | 'numeric-items'
  | 'bytea-items'
  | 'money-items'

/** How cursor values of the type are told apart and moved back by a lag. Absent: the type cannot be a cursor. */
export type Order = 'integer' | 'numeric' | 'float' | 'date' | 'timestamp' | 'plain'

export interface TypeRule {
  type: DataType | ((typmod: number) => DataType)
  form: Form
  items: ArrayForm
  order?: Order
  /** Or a function of the type modifier where it decides. */
  loss?: string | ((typmod: number) => string | undefined)
}

const text = (order?: Order): TypeRule => ({ type: { kind: 'string' }, form: 'asis', items: 'items', order })
/** Postgres' own notation, which it reads back to the same value. */
const keptAsText = (what: string, order?: Order): TypeRule => ({
  type: { kind: 'string' },
  form: 'asis',
  items: 'items',
  order,
  loss: `kept as exact text, not as ${what}`,
})
const int = (bits: 8 | 16 | 32 | 64, signed: boolean, items: ArrayForm = 'items'): TypeRule => ({
  type: { kind: 'int', bits, signed },
  form: 'asis',
  items,
  order: signed ? 'integer' : 'plain',
})
const range = keptAsText('bounds')
const shape = keptAsText('coordinates')
const internal = keptAsText('structure')

/** numeric(p,s): ((p << 16) | (s & 0x7ff)) + 4, the scale an 11-bit signed number. -1 without precision. */
export function numericModifier(typmod: number): { precision: number; scale: number } | undefined {
  if (typmod < 4) return undefined
  const packed = typmod - 4
  const scale = ((packed & 0x7ff) ^ 1024) - 1024
  return { precision: (packed >> 16) & 0xffff, scale }
}

function numericType(typmod: number): DataType {
  const modifier = numericModifier(typmod)
  if (!modifier) return { kind: 'string' }
  const { precision, scale } = modifier
  // A negative scale rounds digits before the point; a scale above the precision leaves zeros behind it.
  return scale < 0
    ? { kind: 'decimal', precision: precision - scale, scale: 0 }
    : { kind: 'decimal', precision: Math.max(precision, scale), scale }
}

const timestamp = (zoned: boolean): TypeRule => ({
  type: (typmod) => ({ kind: 'timestamp', zoned, fractionDigits: typmod < 0 ? 6 : typmod }),
  form: 'asis',
  items: 'text-items',
  order: 'timestamp',
})

/** Every type of pg_catalog that a column can have, by name. `serial` and the like are int4 and int8. */
export const typeTable: Readonly<Record<string, TypeRule>> = {
  bool: { type: { kind: 'boolean' }, form: 'asis', items: 'items' },
  int2: int(16, true),
  int4: int(32, true),
  int8: int(64, true),
  oid: int(32, false, 'bigint-items'),
  xid: { ...int(32, false, 'bigint-items'), order: undefined },
  cid: { ...int(32, false, 'bigint-items'), order: undefined },
  xid8: int(64, false, 'numeric-items'),
  float4: { type: { kind: 'float', bits: 32 }, form: 'asis', items: 'items', order: 'float' },
  float8: { type: { kind: 'float', bits: 64 }, form: 'asis', items: 'items', order: 'float' },
  numeric: {
    type: numericType,
    form: 'asis',
    items: 'text-items',
    order: 'numeric',
    loss: (typmod) => (numericModifier(typmod) ? undefined : 'a number without declared precision: kept as exact text'),
  },
  money: {
    // The scale is that of the server's lc_monetary: see columns.ts.
    type: { kind: 'decimal', precision: 19, scale: 2 },
    form: 'money',
    items: 'money-items',
    loss: 'the currency sign is not kept; the amount is exact',
  },

  text: text('plain'),
  varchar: text('plain'),
  bpchar: text('plain'),
  name: text('plain'),
  char: text('plain'),
  bytea: { type: { kind: 'bytes' }, form: 'bytea', items: 'bytea-items' },
  xml: text(),
  json: { type: { kind: 'json' }, form: 'asis', items: 'text-items' },
  jsonb: { type: { kind: 'json' }, form: 'asis', items: 'text-items' },
  jsonpath: keptAsText('a path'),
  uuid: { type: { kind: 'uuid' }, form: 'asis', items: 'items', order: 'plain' },

  date: { type: { kind: 'date' }, form: 'asis', items: 'text-items', order: 'date' },
  time: { type: { kind: 'time' }, form: 'asis', items: 'items', order: 'plain' },
  timetz: keptAsText('a time: its offset has no place in one', 'plain'),
  timestamp: timestamp(false),
  timestamptz: timestamp(true),
  interval: keptAsText('a duration (ISO 8601: P1Y2M3DT4H5M6.7S)', 'plain'),

  inet: keptAsText('an address', 'plain'),
  cidr: keptAsText('an address', 'plain'),
  macaddr: keptAsText('an address', 'plain'),
  macaddr8: keptAsText('an address', 'plain'),
  bit: keptAsText('bits', 'plain'),
  varbit: keptAsText('bits', 'plain'),

  point: shape,
  lseg: shape,
  path: shape,
  box: shape,
  polygon: shape,
  line: shape,
  circle: shape,
  tsvector: internal,
  tsquery: internal,
  gtsvector: internal,

  int4range: range,
  int8range: range,
  numrange: range,
  daterange: range,
  tsrange: range,
  tstzrange: range,
  int4multirange: range,
  int8multirange: range,
  nummultirange: range,
  datemultirange: range,
  tsmultirange: range,
  tstzmultirange: range,

  pg_lsn: keptAsText('a log position', 'plain'),
  pg_snapshot: internal,
  txid_snapshot: internal,
  tid: internal,
  refcursor: text(),
  aclitem: internal,
  int2vector: internal,
  oidvector: internal,
  regproc: internal,
  regprocedure: internal,
  regoper: internal,
  regoperator: internal,
  regclass: internal,
  regtype: internal,
  regconfig: internal,
  regdictionary: internal,
  regnamespace: internal,
  regrole: internal,
  regcollation: internal,
  regdatabase: internal,
  pg_node_tree: internal,
  pg_ndistinct: internal,
  pg_dependencies: internal,
  pg_mcv_list: internal,
  pg_brin_bloom_summary: internal,
  pg_brin_minmax_multi_summary: internal,
}

/** Types of users and extensions: what the server writes, which it reads back. */
export const enumRule: TypeRule = { type: { kind: 'string' }, form: 'asis', items: 'items', order: 'plain' }
export const compositeRule: TypeRule = { ...keptAsText('fields'), items: 'text-items' }
export const rangeRule: TypeRule = range
export const foreignRule: TypeRule = { ...keptAsText('its own type'), items: 'text-items' }
