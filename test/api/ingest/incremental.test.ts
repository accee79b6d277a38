import { describe, expect, test } from 'vitest'
import { textFormOfTime } from '../../../src/api/ingest/timestamps.ts'
import type { LoadCommand } from '../../../src/operations/operations.ts'
import { harness, resourceWith } from '../harness.ts'

async function send(incremental_config: unknown) {
  const { send, operations } = harness()
  const answer = await send('POST', '/ingest', resourceWith({ incremental_config, write_disposition_config: { type: 'append' } }))
  const command = operations.started[0]?.command as LoadCommand | undefined
  return { status: answer.status, errors: (answer.body as { errors?: unknown }).errors, cursor: command?.resources[0]?.cursor }
}

describe('loading by a column that grows', () => {
  test('F24: a key alone goes on behind the last run', async () => {
    expect((await send({ incremental_key: 'id' })).cursor).toEqual({
      column: 'id',
      startInclusive: false,
      endInclusive: false,
      keepsState: true,
    })
    expect((await send(null)).cursor).toBeUndefined()
  })

  test('an end makes it a backfill that remembers nothing', async () => {
    expect((await send({ incremental_key: 'id', start_position: 10, end_position: 20 })).cursor).toEqual({
      column: 'id',
      start: '10',
      startInclusive: false,
      end: '20',
      endInclusive: false,
      keepsState: false,
    })
    expect((await send({ incremental_key: 'id', start_position: 10 })).cursor).toMatchObject({ keepsState: true })
  })

  test.each([
    ['start-end', true, true],
    ['start', true, false],
    ['end', false, true],
    ['between', false, false],
    [undefined, false, false],
    [null, false, false],
  ])('boundary_mode %s: start inclusive %s, end inclusive %s', async (boundary_mode, startInclusive, endInclusive) => {
    const { cursor } = await send({ incremental_key: 'id', start_position: 1, end_position: 2, boundary_mode })
    expect(cursor).toMatchObject({ startInclusive, endInclusive })
  })

  test.each([
    [0, '0'],
    [-5, '-5'],
    ['0012', '12'],
    ['+3', '3'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ['9223372036854775807', '9223372036854775807'],
    ['2020-01-01', '2020-01-01'],
    ['2020-01-01T10:20', '2020-01-01 10:20:00'],
    ['2020-01-01 10:20:30.123456', '2020-01-01 10:20:30.123456'],
    ['2020-01-01T00:30:00+01:00', '2019-12-31 23:30:00+00'],
    ['2020-02-29T23:59:59.9Z', '2020-02-29 23:59:59.9+00'],
    ['2020-01-01T00:00:00-0530', '2020-01-01 05:30:00+00'],
  ])('the position %j has the text form %s', async (start_position, start) => {
    expect((await send({ incremental_key: 'k', start_position })).cursor?.start).toBe(start)
  })

  test.each([
    1.5,
    '',
    'x',
    '2020-13-01',
    '2020-02-30',
    '2020-01-01T24:00',
    '2020-01-01T10:60',
    '2020-01-01T10:00+25:00',
    '1.5',
    true,
    [],
    {},
  ])('the position %j is refused', async (start_position) => {
    expect(await send({ incremental_key: 'k', start_position })).toMatchObject({
      status: 422,
      errors: { start_position: ['Input should be a valid integer or datetime'] },
    })
  })

  test('a number that JSON cannot carry exactly is refused rather than rounded', async () => {
    const { send, operations } = harness()
    const body = JSON.stringify(resourceWith({ incremental_config: { incremental_key: 'id', start_position: 0 } }))
    const answer = await send('POST', '/ingest', body.replace('"start_position":0', '"start_position":9007199254740993'))
    expect(answer.body).toEqual({
      errors: { start_position: ['Value error, A JSON number this large is not exact; write it as a string'] },
    })
    expect(operations.started).toEqual([])
  })

  test('an end before its start, or of another kind, is refused; an equal one is not', async () => {
    const range = (start_position: unknown, end_position: unknown) => send({ incremental_key: 'k', start_position, end_position })
    expect((await range(2, 1)).errors).toEqual({ end_position: ['Value error, end_position must not be before start_position'] })
    expect((await range('99', '100')).status).toBe(200)
    expect((await range('2020-01-02', '2020-01-01')).status).toBe(422)
    expect((await range('2020-01-01', '2020-01-01T00:00')).status).toBe(200)
    expect((await range(1, '2020-01-01')).errors).toEqual({
      end_position: ['Value error, start_position and end_position must be of one kind'],
    })
    expect((await range(1, 1)).status).toBe(200)
  })

  test('a lag is kept, a negative one is refused', async () => {
    expect((await send({ incremental_key: 'k', lag_window: 3600.5 })).cursor).toMatchObject({ lag: 3600.5 })
    expect((await send({ incremental_key: 'k', lag_window: -1 })).errors).toEqual({
      lag_window: ['Input should be greater than or equal to 0'],
    })
    expect((await send({ incremental_key: 'k', lag_window: 'x' })).errors).toEqual({ lag_window: ['Input should be a valid number'] })
  })

  test('a key is required', async () => {
    expect((await send({})).errors).toEqual({ incremental_key: ['Field required'] })
    expect((await send({ incremental_key: '' })).errors).toEqual({ incremental_key: ['Value error, Field must be provided'] })
    expect((await send({ incremental_key: 'k', boundary_mode: true })).errors).toEqual({
      boundary_mode: ["Input should be 'start-end', 'start', 'end' or 'between'"],
    })
  })
})

test('years at the edges keep their text form', () => {
  expect(textFormOfTime('0001-01-01')).toBe('0001-01-01')
  expect(textFormOfTime('0000-01-01T00:00+01:00')).toBeUndefined()
  expect(textFormOfTime('9999-12-31T23:59:59.999999Z')).toBe('9999-12-31 23:59:59.999999+00')
  expect(textFormOfTime('9999-12-31T23:59:59-01:00')).toBeUndefined()
})
