import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ingestAnswer } from '../../../src/api/ingest/answer-schemas.ts'
import { IngestError } from '../../../src/core/errors.ts'
import type { LoadCommand } from '../../../src/operations/operations.ts'
import { harness, resourceWith, validBody } from '../harness.ts'

/** What the engine is asked for. */
async function commandOf(body: unknown, path = '/ingest'): Promise<LoadCommand> {
  const { send, operations } = harness()
  const answer = await send('POST', path, body)
  expect(answer.text).toContain('"success"')
  return operations.started[0]?.command as LoadCommand
}

function seed(name: string): string {
  const text = readFileSync(new URL(`../../wire/ingest/seed-${name}.http`, import.meta.url).pathname, 'utf8')
  return text.slice(text.indexOf('\n\n') + 2)
}

describe('the examples of the API', () => {
  test('F1: the corrected first example is loaded and answered with success and the identity', async () => {
    const { send } = harness()
    const answer = await send('POST', '/ingest', seed('postgres-to-clickhouse-corrected'))
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      status: 'success',
      message: 'Data Ingestion is completed successfully',
      pipeline_name: 'fgXOw4zY',
      schema_version_hash: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
      execution_id: 'execution1',
    })
    expect(ingestAnswer.safeParse(answer.body).error).toBeUndefined()
  })

  test.each(['postgres-to-clickhouse', 's3-to-clickhouse', 'postgres-to-duckdb', 'many-tables'])(
    'F2: %s verbatim is 422 at the byte where the comma is missing, and starts nothing',
    async (name) => {
      const { send, operations } = harness()
      const text = seed(name)
      const answer = await send('POST', '/ingest', text)
      expect(answer.status).toBe(422)
      const offset = text.indexOf('"source_uri"')
      expect(answer.body).toEqual({ errors: { [offset]: ['JSON decode error'] } })
      expect(operations.started).toEqual([])
    },
  )

  test('the corrected examples become these commands', async () => {
    const common = { pipeline: 'fgXOw4zY', verify: 'rows', unrepresentable: 'fail' }
    const sourceUri = 'postgresql://postgres:password@localhost:5432/db_name'
    const destinationUri = 'clickhouse://default:password@localhost:9000/db_name?http_port=8123&secure=0'
    const plain = { mode: { type: 'replace' }, rules: { exclude: [], pseudonymize: [] } }
    expect(await commandOf(seed('postgres-to-clickhouse-corrected'))).toEqual({
      ...common,
      sourceUri,
      destinationUri,
      resources: [{ stream: 'users', ...plain }],
    })
    expect(await commandOf(seed('s3-to-clickhouse-corrected'))).toEqual({
      ...common,
      sourceUri: 's3://your-bucket?access_key_id=user_access_key_id&access_key_secret=user_access_key_secret&region=bucket_region',
      destinationUri,
      resources: [{ stream: 'users/data/dump.csv', table: 'dw_users', ...plain }],
    })
    expect(await commandOf(seed('postgres-to-duckdb-corrected'))).toEqual({
      ...common,
      sourceUri,
      destinationUri: 'duckdb:///my_database.duckdb',
      dataset: 'main',
      resources: [{ stream: 'users', ...plain }],
    })
    expect(await commandOf(seed('many-tables-corrected'))).toEqual({
      ...common,
      sourceUri,
      destinationUri,
      dataset: 'public',
      resources: [
        { stream: 'users', table: 'dw_users', ...plain },
        { stream: 'products', table: 'dw_products', ...plain },
      ],
    })
  })
})

describe('what is asked for', () => {
  test('F12, F13: dataset_name and dataset both name the dataset, equal ones may both be given', async () => {
    expect((await commandOf(validBody({ dataset_name: 'a' }))).dataset).toBe('a')
    expect((await commandOf(validBody({ dataset: 'b' }))).dataset).toBe('b')
    expect((await commandOf(validBody({ dataset_name: 'c', dataset: 'c' }))).dataset).toBe('c')
    expect((await commandOf(validBody({ dataset_name: '', dataset: 'd' }))).dataset).toBe('d')
    expect((await commandOf(validBody({ dataset_name: null }))).dataset).toBeUndefined()
  })

  test('F14: different ones are 422 on dataset', async () => {
    const answer = await harness().send('POST', '/ingest', validBody({ dataset_name: 'a', dataset: 'b' }))
    expect([answer.status, answer.body]).toEqual([422, { errors: { dataset: ['Value error, dataset and dataset_name must not differ'] } }])
  })

  test('F34: unknown fields change nothing, also odd ones', async () => {
    const odd = JSON.parse('{"__proto__":{"identity":"x"},"constructor":1,"toString":null,"extra":{"deep":[[[]]]}}')
    expect(await commandOf(JSON.stringify({ ...validBody(), ...odd, ['__proto__']: 1 }))).toEqual(await commandOf(validBody()))
  })

  test('F37: /ferry is /ingest', async () => {
    expect(await commandOf(validBody(), '/ferry')).toEqual(await commandOf(validBody(), '/ingest'))
    const [one, two] = [await harness().send('POST', '/ingest', validBody()), await harness().send('POST', '/ferry', validBody())]
    expect(two.body).toEqual(one.body)
  })

  test('column rules, verification and what to do about unrepresentable values', async () => {
    const rules = { exclude_columns: ['a', 'a'], pseudonymizing_columns: ['b'], other: ['c'] }
    const body = { ...resourceWith({ column_rules: rules }), verify: 'checksum', unrepresentable: 'null' }
    expect(await commandOf(body)).toMatchObject({
      verify: 'checksum',
      unrepresentable: 'null',
      resources: [{ rules: { exclude: ['a'], pseudonymize: ['b'] } }],
    })
  })

  test('source options are accepted and checked', async () => {
    await commandOf(resourceWith({ source_options: { batch_size: 10, batch_timeout: 2, start_from: 'timestamp:1700000000000' } }))
    const answer = await harness().send('POST', '/ingest', resourceWith({ source_options: { start_from: 'now' } }))
    expect(answer.body).toEqual({
      errors: { start_from: ["Value error, start_from must be 'earliest', 'latest', or 'timestamp:<epoch_ms>'"] },
    })
  })

  test('several mistakes are told at once', async () => {
    const answer = await harness().send('POST', '/ingest', { identity: '', source_uri: '', resources: [{}, { source_table_name: 1 }] })
    expect(answer.body).toEqual({
      errors: {
        identity: ['Value error, Field must be provided'],
        source_uri: ['Value error, URI must be provided'],
        destination_uri: ['Field required'],
        source_table_name: ['Field required', 'Input should be a valid string'],
      },
    })
  })

  test('F31: no URI and no password is ever repeated by a mistake in a URI', async () => {
    const { send, seen } = harness()
    for (const source_uri of ['ftp://u:p4ss-w0rd@h/d', 'u:p4ss-w0rd@h', 'mysql://u:p4ss-w0rd@h/d', 'p4ss-w0rd', '://u:p4ss-w0rd@h']) {
      expect((await send('POST', '/ingest', validBody({ source_uri }))).status).toBe(422)
    }
    expect(seen.join()).not.toContain('p4ss-w0rd')
  })

  test('what the engine says about a URI is told under its field', async () => {
    const { send, operations } = harness()
    const issues = [
      { path: 'destinationUri.http_port', message: 'must be a number' },
      { path: 'source_uri', message: 'clickhouse://u:p4ss-w0rd@h has no database' },
      { path: 'resources.0.key', message: 'is not a column' },
    ]
    operations.startFault = new IngestError({ tag: 'invalid-request', issues })
    const answer = await send('POST', '/ingest', validBody())
    expect([answer.status, answer.body]).toEqual([
      422,
      {
        errors: {
          destination_uri: ['Value error, http_port: must be a number'],
          source_uri: ['clickhouse://***@h has no database'],
          primary_key: ['is not a column'],
        },
      },
    ])
  })

  test.each(['application/json; charset=utf-8', 'application/vnd.x+json', 'APPLICATION/JSON'])('%s is JSON', async (type) => {
    expect((await harness().send('POST', '/ingest', validBody(), { 'content-type': type })).status).toBe(200)
  })

  test('F38: no other content type is, nor is an empty body', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'text/json+plain']) {
      const answer = await harness().send('POST', '/ingest', validBody(), { 'content-type': type })
      expect([answer.status, answer.body]).toEqual([422, { errors: { body: ['Content-Type must be application/json'] } }])
    }
    const empty = await harness().send('POST', '/ingest', '')
    expect([empty.status, empty.body]).toEqual([422, { errors: { body: ['Field required'] } }])
  })

  test('bodies made to hurt are answered, not suffered', async () => {
    const { send } = harness()
    const deep = `{"identity":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    expect((await send('POST', '/ingest', deep)).status).toBe(422)
    const nested = JSON.stringify(resourceWith({ write_disposition_config: { type: 'merge', config: 0 } })).replace(
      '"config":0',
      `"config":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    )
    expect((await send('POST', '/ingest', nested)).status).toBe(422)
    expect((await send('POST', '/ingest', '{"identity":1e999,"identity":-0,"identity":{"__proto__":null}}')).status).toBe(422)
    expect((await send('POST', '/ingest', JSON.stringify(validBody({ identity: '\ud800' })))).status).toBe(422)
    const many = validBody({ resources: Array.from({ length: 1001 }, (_, i) => ({ source_table_name: `t${i}` })) })
    expect((await send('POST', '/ingest', many)).body).toEqual({
      errors: { resources: ['Value error, At most 1000 resources can be loaded at once'] },
    })
  })
})
