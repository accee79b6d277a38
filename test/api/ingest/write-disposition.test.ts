import { describe, expect, test } from 'vitest'
import type { LoadCommand } from '../../../src/operations/operations.ts'
import { harness, resourceWith } from '../harness.ts'

async function send(write_disposition_config: unknown) {
  const { send, operations } = harness()
  const answer = await send('POST', '/ingest', resourceWith({ write_disposition_config }))
  const command = operations.started[0]?.command as LoadCommand | undefined
  return { status: answer.status, errors: (answer.body as { errors?: unknown }).errors, mode: command?.resources[0]?.mode }
}

const merge = (strategy: string | undefined, config: unknown) => ({ type: 'merge', ...(strategy ? { strategy } : {}), config })

describe('how rows are written', () => {
  test('F16: replace is the default', async () => {
    for (const config of [undefined, null, {}, { type: 'replace' }, { type: 'replace', strategy: null, config: null }]) {
      expect((await send(config)).mode).toEqual({ type: 'replace' })
    }
  })

  test('F21: replace takes its three strategies and no config', async () => {
    for (const strategy of ['truncate-and-insert', 'insert-from-staging', 'staging-optimized']) {
      expect((await send({ type: 'replace', strategy })).mode).toEqual({ type: 'replace' })
    }
    const message = "Value error, Config is not accepted when write_disposition is 'replace'"
    expect(await send({ type: 'replace', config: {} })).toMatchObject({ status: 422, errors: { write_disposition_config: [message] } })
  })

  test('F20: append takes neither strategy nor config', async () => {
    expect((await send({ type: 'append' })).mode).toEqual({ type: 'append' })
    const message = "Value error, No strategy or config is accepted when write_disposition type is 'append'"
    for (const extra of [{ strategy: 'upsert' }, { config: {} }, { strategy: '' }]) {
      expect(await send({ type: 'append', ...extra })).toMatchObject({ status: 422, errors: { write_disposition_config: [message] } })
    }
  })

  test('F22: unknown strategies', async () => {
    for (const strategy of ['upsert', 'toString', '']) {
      expect((await send({ type: 'replace', strategy })).errors).toEqual({
        write_disposition_config: ['Value error, Invalid replace strategy'],
      })
    }
    for (const strategy of ['truncate-and-insert', '__proto__', 'constructor', '']) {
      expect((await send({ type: 'merge', strategy, config: {} })).errors).toEqual({
        write_disposition_config: ['Value error, Invalid merge strategy'],
      })
    }
  })

  test('F19: upsert is accepted flat and nested, with one key or several', async () => {
    const expected = { type: 'upsert', key: ['symbol'] }
    expect((await send(merge('upsert', { primary_key: 'symbol' }))).mode).toEqual(expected)
    expect((await send(merge('upsert', { upsert_config: { primary_key: 'symbol' } }))).mode).toEqual(expected)
    expect((await send(merge('upsert', { primary_key: ['symbol', 'day', 'day'], hard_delete_column: 'gone' }))).mode).toEqual({
      type: 'upsert',
      key: ['symbol', 'day'],
      hardDelete: 'gone',
    })
  })

  test('upsert without a usable key is told which', async () => {
    const problems: [unknown, string[]][] = [
      [undefined, ['Field required']],
      [{}, ['Field required']],
      [{ upsert_config: {} }, ['Field required']],
      [{ primary_key: ' ' }, ['Value error, Primary key must be provided']],
      [{ primary_key: [] }, ['Value error, At least one primary key must be provided in the tuple']],
      [{ primary_key: ['a', ''] }, ['Value error, All primary keys in the tuple must be non-empty strings']],
      [{ primary_key: 1 }, ['Input should be a string or a list of strings']],
      [{ primary_key: [1] }, ['Input should be a string or a list of strings']],
    ]
    for (const [config, messages] of problems)
      expect([config, (await send(merge('upsert', config))).errors]).toEqual([config, { primary_key: messages }])
  })

  test('merge without a strategy is delete-insert', async () => {
    expect((await send(merge(undefined, { primary_key: 'id' }))).mode).toEqual({ type: 'delete-insert', key: ['id'], mergeKey: [] })
    const full = { primary_key: ['id'], merge_key: 'day', hard_delete_column: 'gone', dedup_sort_column: { at: 'desc' } }
    const expected = { type: 'delete-insert', key: ['id'], mergeKey: ['day'], hardDelete: 'gone', sort: { column: 'at', order: 'desc' } }
    expect((await send(merge('delete-insert', full))).mode).toEqual(expected)
    expect((await send(merge('delete-insert', { delete_insert_config: full }))).mode).toEqual(expected)
  })

  test('delete-insert needs a key', async () => {
    const message = "Value error, At least one of 'primary' or 'merge' key(s) must be provided for delete-insert strategy"
    expect((await send(merge('delete-insert', { primary_key: '', merge_key: [] }))).errors).toEqual({ config: [message] })
    expect((await send(merge('delete-insert', { delete_insert_config: {} }))).errors).toEqual({ delete_insert_config: [message] })
    expect((await send(merge('delete-insert', { primary_key: 'id', dedup_sort_column: { a: 'up' } }))).errors).toEqual({
      a: ["Input should be 'asc' or 'desc'"],
    })
    expect((await send(merge('delete-insert', { primary_key: 'id', dedup_sort_column: { a: 'asc', b: 'asc' } }))).status).toBe(422)
  })

  test('scd2 with its defaults and with everything', async () => {
    const defaults = {
      type: 'scd2',
      naturalKey: [],
      partitionKey: [],
      validFrom: 'valid_from',
      validTo: 'valid_to',
      activeRecord: '9999-12-31 00:00:00',
      boundary: null,
    }
    for (const config of [undefined, {}, { use_boundary_timestamp: false }, { scd2_config: {} }])
      expect((await send(merge('scd2', config))).mode).toEqual(defaults)
    const full = {
      natural_merge_key: ['id'],
      validity_column_names: ['from', 'until'],
      active_record_timestamp: null,
      use_boundary_timestamp: true,
      boundary_timestamp: '2026-01-31T13:00:00.5+01:00',
    }
    expect((await send(merge('scd2', full))).mode).toEqual({
      ...defaults,
      naturalKey: ['id'],
      validFrom: 'from',
      validTo: 'until',
      activeRecord: null,
      boundary: '2026-01-31 12:00:00.5+00',
    })
    expect((await send(merge('scd2', { partition_merge_key: 'day' }))).mode).toEqual({ ...defaults, partitionKey: ['day'] })
  })

  test('the same request gives the same command, whenever it is sent', async () => {
    const config = merge('scd2', { use_boundary_timestamp: true })
    expect((await send(config)).mode).toEqual((await send(config)).mode)
  })

  test('scd2 refuses both keys, odd validity columns and no dates', async () => {
    const both = "Value error, Only one of 'natural' or 'partition' merge key(s) must be provided for scd2 strategy"
    expect((await send(merge('scd2', { natural_merge_key: 'a', partition_merge_key: 'b' }))).errors).toEqual({
      partition_merge_key: [both],
    })
    const two = 'Value error, Validity column names must contain exactly two strings'
    for (const names of [[], ['a'], ['a', 'b', 'c']]) {
      expect((await send(merge('scd2', { validity_column_names: names }))).errors).toEqual({ validity_column_names: [two] })
    }
    expect((await send(merge('scd2', { validity_column_names: ['a', 'a'] }))).status).toBe(422)
    expect((await send(merge('scd2', { active_record_timestamp: '9999-02-30' }))).status).toBe(422)
  })

  test('the config of another strategy is refused', async () => {
    const message = "Value error, Only upsert_config is accepted when merge_strategy is 'upsert'"
    expect((await send(merge('upsert', { upsert_config: { primary_key: 'a' }, scd2_config: {} }))).errors).toEqual({
      write_disposition_config: [message],
    })
  })

  test('types that are none', async () => {
    expect((await send({ type: 'upsert' })).errors).toEqual({ type: ["Input should be 'replace', 'append' or 'merge'"] })
    expect((await send('append')).errors).toEqual({
      write_disposition_config: ['Input should be a valid dictionary or object to extract fields from'],
    })
    expect((await send(merge('upsert', 'id'))).errors).toEqual({ config: ['Input should be a valid dictionary'] })
  })
})
