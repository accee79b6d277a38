import { describe, expect, test } from 'vitest'
import { readEngine } from '../../../src/connectors/clickhouse/engine-clauses.ts'
import { fitColumn } from '../../../src/connectors/clickhouse/fit-column.ts'
import { foreignParts } from '../../../src/connectors/clickhouse/foreign-writes.ts'
import { columnTypeOf, declare, parseType } from '../../../src/connectors/clickhouse/types.ts'
import type { DataType } from '../../../src/core/schema.ts'

const int = (bits: 8 | 16 | 32 | 64 | 128 | 256, signed = true): DataType => ({ kind: 'int', bits, signed })
const decimal = (precision: number, scale: number): DataType => ({ kind: 'decimal', precision, scale })
const time = (zoned: boolean, fractionDigits: number): DataType => ({ kind: 'timestamp', zoned, fractionDigits })

describe('new columns', () => {
  const table: [DataType, string][] = [
    [{ kind: 'boolean' }, 'Bool'],
    [int(8), 'Int8'],
    [int(256, false), 'UInt256'],
    [{ kind: 'float', bits: 32 }, 'Float32'],
    [decimal(76, 38), 'Decimal(76, 38)'],
    [decimal(77, 0), 'String'],
    [{ kind: 'bytes' }, 'String'],
    [{ kind: 'date' }, 'Date32'],
    [{ kind: 'time' }, 'String'],
    [time(true, 3), "DateTime64(3, 'UTC')"],
    [time(false, 6), "DateTime64(6, 'UTC')"],
    [time(true, 12), "DateTime64(9, 'UTC')"],
    [{ kind: 'uuid' }, 'UUID'],
    [{ kind: 'json' }, 'String'],
    [{ kind: 'array', of: { kind: 'array', of: int(32) } }, 'Array(Array(Nullable(Int32)))'],
  ]
  test.each(table)('%j becomes %s', (type, expected) => {
    expect(columnTypeOf(type).type).toBe(expected)
  })

  test('losses are declared', () => {
    expect(declare({ name: 'd', type: { kind: 'date' }, nullable: true }, false)).toEqual({
      type: 'Nullable(Date32)',
      loss: 'only dates from 1900-01-01 to 2299-12-31',
    })
    expect(declare({ name: 'a', type: { kind: 'array', of: int(8) }, nullable: true }, false).loss).toBe(
      'a NULL array becomes an empty array',
    )
    expect(declare({ name: 'k', type: int(8), nullable: true }, true)).toEqual({ type: 'Int8' })
  })
})

describe('existing columns', () => {
  const typeAfter = (type: DataType, existing: string, nullable = false, inKey = false) => {
    const result = fitColumn({ name: 'c', type, nullable }, existing, { serverZone: 'UTC', inKey, isMergeKey: false })
    return result.fits ? result.type : undefined
  }

  test.each<[DataType, string, string | undefined]>([
    [int(32), 'Int64', 'Int64'],
    [int(64), 'Int32', 'Int64'],
    [int(32), 'UInt32', 'Int64'],
    [int(64, false), 'Int64', 'Int128'],
    [int(256, false), 'Int8', undefined],
    [int(32), 'Float64', 'Float64'],
    [int(64), 'Float64', undefined],
    [int(64), 'Decimal(10, 2)', 'Decimal(22, 2)'],
    [int(64), 'String', 'String'],
    [{ kind: 'float', bits: 64 }, 'Float32', 'Float64'],
    [{ kind: 'float', bits: 64 }, 'Int64', undefined],
    [{ kind: 'float', bits: 64 }, 'String', undefined],
    [decimal(10, 2), 'Decimal(12, 4)', 'Decimal(12, 4)'],
    [decimal(10, 4), 'Decimal(10, 2)', 'Decimal(12, 4)'],
    [decimal(76, 0), 'Decimal(10, 2)', undefined],
    [{ kind: 'string' }, 'LowCardinality(String)', 'LowCardinality(String)'],
    [{ kind: 'string' }, 'FixedString(3)', 'FixedString(3)'],
    [{ kind: 'string' }, "Enum8('a' = 1)", "Enum8('a' = 1)"],
    [{ kind: 'string' }, 'Int32', undefined],
    [{ kind: 'date' }, 'Date', 'Date'],
    [{ kind: 'boolean' }, 'String', undefined],
    [time(true, 6), "DateTime64(3, 'Europe/Berlin')", "DateTime64(6, 'Europe/Berlin')"],
    [time(false, 6), "DateTime64(6, 'Europe/Berlin')", undefined],
    [time(true, 0), 'DateTime', 'DateTime'],
    [time(true, 6), 'DateTime', "DateTime64(6, 'UTC')"],
    [{ kind: 'array', of: int(32) }, 'Array(Nullable(Int32))', 'Array(Nullable(Int32))'],
    [{ kind: 'array', of: int(32) }, 'Array(Int32)', undefined],
  ])('%j into %s gives %s', (type, existing, expected) => {
    expect(typeAfter(type, existing)).toBe(expected)
  })

  test('NULL widens to Nullable, but not in the sorting key', () => {
    expect(typeAfter(int(32), 'Int32', true)).toBe('Nullable(Int32)')
    expect(typeAfter(int(64), 'Nullable(Int32)', true)).toBe('Nullable(Int64)')
    expect(typeAfter({ kind: 'string' }, 'LowCardinality(String)', true)).toBe('LowCardinality(Nullable(String))')
    expect(typeAfter(int(32), 'Int32', true, true)).toBeUndefined()
    expect(typeAfter(int(64), 'Int32', false, true)).toBeUndefined()
  })
})

test('types are taken apart with their quotes and parentheses', () => {
  expect(parseType("LowCardinality(Nullable(Enum8('a,(\\'b' = 1, 'c' = 2)))")).toMatchObject({
    bare: "Enum8('a,(\\'b' = 1, 'c' = 2)",
    nullable: true,
    lowCardinality: true,
    args: ["'a,(\\'b' = 1", "'c' = 2"],
  })
})

test('engines are taken apart, TTL left out', () => {
  expect(
    readEngine(
      "ReplacingMergeTree(v, d) PARTITION BY toYYYYMM(t) ORDER BY (k, ' TTL ') TTL t + toIntervalDay(1) SETTINGS index_granularity = 8192",
    ),
  ).toEqual({
    engine: 'ReplacingMergeTree',
    rest: "PARTITION BY toYYYYMM(t) ORDER BY (k, ' TTL ') SETTINGS index_granularity = 8192",
    hasTtl: true,
  })
  expect(readEngine('MergeTree ORDER BY tuple()')).toEqual({ engine: 'MergeTree', rest: 'ORDER BY tuple()', hasTtl: false })
})

test('foreign writes are told from merges', () => {
  const before = [{ partition: 'a', block: 5, version: 2 }]
  expect(foreignParts(before, [{ partition: 'a', block: 5, version: 2 }], false)).toEqual([])
  expect(foreignParts(before, [{ partition: 'a', block: 6, version: 2 }], false)).toEqual(['a'])
  expect(foreignParts(before, [{ partition: 'a', block: 5, version: 7 }], false)).toEqual(['a'])
  expect(foreignParts(before, [...before, { partition: 'b', block: 1, version: 1 }], false)).toEqual(['b'])
  expect(foreignParts(before, [], false)).toEqual(['a'])
  expect(foreignParts(before, [], true)).toEqual([])
})
