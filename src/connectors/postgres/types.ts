import type { DataType } from '../../core/schema.ts'
import {
  type ArrayForm,
  compositeRule,
  enumRule,
  type Form,
  foreignRule,
  type Order,
  rangeRule,
  type TypeRule,
  typeTable,
} from './type-table.ts'

/** A row of pg_type, as far as mapping needs it. */
export interface PgType {
  oid: string
  schema: string
  name: string
  /** pg_type.typtype: b base, c composite, d domain, e enum, r range, m multirange, p pseudo. */
  category: string
  /** Of a domain. */
  baseOid?: string
  baseTypmod?: number
  /** Of a true array (not int2vector and the like). */
  elementOid?: string
}

export type ColumnForm = Form | `array:${ArrayForm}` | `nested:${ArrayForm}`

export interface MappedType {
  type: DataType
  form: ColumnForm
  loss?: string
  order?: Order
  /** Schema-qualified and quoted when used; for casts of cursor values. */
  cast: { schema: string; name: string }
  /** False when only the rule for unknown types applied. */
  known: boolean
}

/** Array lower bounds exist in Postgres alone. */
const BOUNDS_LOSS = 'array lower bounds other than 1 are not kept'

/**
 * The one place that says how a column is read. `dimensions` is what the column declares (`int[][]` has 2): Postgres
 * does not enforce it, so a column that declares one is read with a guard against values that have more.
 */
export function mapType(oid: string, typmod: number, dimensions: number, types: ReadonlyMap<string, PgType>): MappedType {
  const base = resolveDomain(oid, typmod, types)
  if (base.type?.elementOid === undefined) return mapScalar(base)
  const element = resolveDomain(base.type.elementOid, base.typmod, types)
  // An array of a domain over an array has no JSON form with items: read as the server writes it.
  if (element.type?.elementOid !== undefined) return { ...scalar(foreignRule, base), known: false }
  const rule = ruleOf(element.type)
  const item = mapScalar(element)
  const nested = dimensions > 1
  const loss = [nested ? 'more than one dimension: kept as nested JSON' : item.loss && `items: ${item.loss}`, BOUNDS_LOSS]
    .filter(Boolean)
    .join('; ')
  return {
    type: nested ? { kind: 'json' } : { kind: 'array', of: item.type },
    form: `${nested ? 'nested' : 'array'}:${rule.items}`,
    loss,
    cast: castOf(base.type),
    known: item.known,
  }
}

interface Resolved {
  type: PgType | undefined
  typmod: number
}

/** Domains are read as what they stand on; their modifier counts where the column has none. */
function resolveDomain(oid: string, typmod: number, types: ReadonlyMap<string, PgType>): Resolved {
  let type = types.get(oid)
  let modifier = typmod
  while (type?.category === 'd' && type.baseOid !== undefined) {
    if (modifier < 0) modifier = type.baseTypmod ?? -1
    type = types.get(type.baseOid)
  }
  return { type, typmod: modifier }
}

function mapScalar(resolved: Resolved): MappedType {
  const rule = ruleOf(resolved.type)
  return { ...scalar(rule, resolved), known: rule !== foreignRule }
}

function scalar(rule: TypeRule, { type, typmod }: Resolved): Omit<MappedType, 'known'> {
  return {
    type: typeof rule.type === 'function' ? rule.type(typmod) : rule.type,
    form: rule.form,
    loss: typeof rule.loss === 'function' ? rule.loss(typmod) : rule.loss,
    order: rule.order,
    cast: castOf(type),
  }
}

function castOf(type: PgType | undefined): { schema: string; name: string } {
  return { schema: type?.schema ?? 'pg_catalog', name: type?.name ?? 'text' }
}

function ruleOf(type: PgType | undefined): TypeRule {
  if (!type) return foreignRule
  if (type.schema === 'pg_catalog') {
    const rule = Object.hasOwn(typeTable, type.name) ? typeTable[type.name] : undefined
    if (rule) return rule
  }
  switch (type.category) {
    case 'e':
      return enumRule
    case 'c':
      return compositeRule
    case 'r':
    case 'm':
      return rangeRule
    default:
      return foreignRule
  }
}
