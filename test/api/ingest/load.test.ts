import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ingestAnswer } from '../../../src/api/ingest/answer-schemas.ts'
import { type Fault, IngestError } from '../../../src/core/errors.ts'
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

describe('waiting for the end', () => {
  const slow = validBody({ resources: [{ source_table_name: 'slow' }] })

  test('the answer comes when the load has ended, however many waits that takes', async () => {
    const { send, operations } = harness()
    const answer = await send('POST', '/ingest', slow)
    expect([answer.status, operations.waits]).toEqual([200, [20_000, 20_000, 20_000]])
  })

  test('a wait that breaks is asked again: the load does not hang on this request', async () => {
    const { send, operations, clock } = harness()
    operations.waitErrors = [new Error('connection to the object lost'), new Error('again')]
    expect((await send('POST', '/ingest', slow)).status).toBe(200)
    expect(clock.slept.length).toBeGreaterThan(2)
  })

  test('a wait that keeps breaking is an internal error', async () => {
    const { send, operations } = harness()
    operations.waitErrors = Array.from({ length: 20 }, () => new Error('gone'))
    expect((await send('POST', '/ingest', slow)).status).toBe(500)
    expect(operations.waits.length).toBeLessThan(10)
  })

  test('a client that leaves is not waited for, and the load goes on', async () => {
    const { fetch, operations } = harness()
    const client = new AbortController()
    const body = JSON.stringify(slow)
    const request = new Request('http://localhost/ingest', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
      signal: client.signal,
    })
    client.abort()
    expect((await fetch(request)).status).toBe(202)
    expect([operations.waits.length, operations.cancelled]).toEqual([1, []])
  })

  test('Prefer: respond-async answers at once with where to look', async () => {
    const { send, operations } = harness()
    const answer = await send('POST', '/ferry', slow, { prefer: 'respond-async' })
    expect([answer.status, operations.waits]).toEqual([202, []])
    expect(answer.headers.get('location')).toBe('http://localhost:8787/ferry/executions/execution1')
    const { status_url, events_url, chunks_url, cancel_url } = answer.body as Record<string, string>
    for (const [method, url] of [
      ['GET', status_url],
      ['GET', events_url],
      ['GET', chunks_url],
      ['POST', cancel_url],
    ] as const) {
      expect((await send(method, new URL(url ?? '').pathname)).status).toBe(200)
    }
  })

  test('wait=1 answers 202 when the load takes longer, 200 when it does not', async () => {
    const { send, operations, clock } = harness()
    const wait = operations.waitForExecution.bind(operations)
    operations.waitForExecution = async (...call) => {
      clock.nowMs += call[2]
      return await wait(...call)
    }
    expect((await send('POST', '/ingest', slow, { prefer: 'respond-async, wait=1' })).status).toBe(202)
    expect(operations.waits).toEqual([1000])
    expect((await send('POST', '/ingest', validBody(), { prefer: 'respond-async, wait=1' })).status).toBe(200)
  })
})

describe('running once', () => {
  test('the same idempotency key gives the same execution, in the header or in the body', async () => {
    const { send, operations } = harness()
    const first = await send('POST', '/ingest', validBody(), { 'idempotency-key': 'k1' })
    const again = await send('POST', '/ingest', validBody(), { 'idempotency-key': 'k1' })
    const inBody = await send('POST', '/ingest', validBody({ idempotency_key: 'k1' }))
    expect(operations.started).toHaveLength(1)
    expect([again.body, inBody.body]).toEqual([first.body, first.body])
    expect([first, again].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true'])
  })

  test('the same key with another request is a conflict', async () => {
    const { send } = harness()
    await send('POST', '/ingest', validBody(), { 'idempotency-key': 'k1' })
    const answer = await send('POST', '/ingest', validBody({ identity: 'other' }), { 'idempotency-key': 'k1' })
    expect([answer.status, answer.body]).toEqual([
      409,
      { status: 'error', message: 'This idempotency key was used with a different request.' },
    ])
  })

  test('a key that is none, or two different ones, are refused', async () => {
    for (const key of ['x'.repeat(256), 'é']) {
      expect((await harness().send('POST', '/ingest', validBody(), { 'idempotency-key': key })).status).toBe(422)
    }
    expect((await harness().send('POST', '/ingest', validBody({ idempotency_key: 'a' }), { 'idempotency-key': 'b' })).status).toBe(422)
  })

  test('F16: without a key the same request runs again', async () => {
    const { send, operations } = harness()
    await send('POST', '/ingest', validBody())
    await send('POST', '/ingest', validBody())
    expect(operations.started).toHaveLength(2)
  })
})

describe('a dry run', () => {
  test('tells the statements, types, losses, chunks and lane, and starts nothing', async () => {
    const { send, operations } = harness()
    const answer = await send('POST', '/ingest?dry_run=1', validBody())
    expect([answer.status, operations.started, operations.planned.length]).toEqual([200, [], 1])
    expect(ingestAnswer.safeParse(answer.body).error).toBeUndefined()
    expect(answer.body).toMatchObject({
      status: 'success',
      dry_run: true,
      plan: {
        resources: [
          {
            statements: ['CREATE TABLE users (id Int32) ENGINE = MergeTree ORDER BY id'],
            columns: [
              { name: 'id', destination_type: 'Int32', loss: null },
              { name: 'born', loss: 'only 1900-01-01 to 2299-12-31' },
            ],
            because: 'bytes: both speak tsv',
            chunks: 1,
            chunk_bytes: 32 * 1024 * 1024,
            estimated_rows: 3,
          },
        ],
      },
    })
  })

  test('a dry run that is spelt wrong is refused rather than run', async () => {
    const { send, operations } = harness()
    expect((await send('POST', '/ingest?dry_run=ture', validBody())).status).toBe(422)
    expect(operations.started).toEqual([])
    await send('POST', '/ingest?dry_run=0', validBody())
    expect(operations.started).toHaveLength(1)
  })
})

describe('a load that fails', () => {
  const faults: [string, number, string][] = [
    [
      'missing_table',
      422,
      'relation "missing_table" does not exist (source postgres, db.example:5432, "missing_table"). Check the name of the table and its schema.',
    ],
    ['wrong_password', 422, 'password authentication failed for user "app" (source postgres, db.example:5432). Check user and password.'],
    ['unreachable', 502, 'Connection refused (destination clickhouse, ch.example:8123). Check that the server runs and can be reached.'],
    ['report.xlsx', 422, 'Files of type .xlsx cannot be read (source s3, bucket, "report.xlsx"). Use .csv, .jsonl or .parquet.'],
    ['unequal', 500, '3 rows were read and 2 were found (destination clickhouse, "unequal"). Run the load again; nothing was published.'],
    ['broken', 500, 'An internal server error occurred'],
  ]
  test.each(faults)('F28, F32: %s is %i with its cause, place and remedy', async (stream, status, message) => {
    const { send, seen } = harness()
    const answer = await send('POST', '/ingest', validBody({ resources: [{ source_table_name: stream }] }))
    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({
      status: 'error',
      message,
      execution_id: 'execution1',
      loaded: [],
      failed: [{ source_table_name: stream }],
    })
    expect(seen.join()).not.toMatch(/p4ss-w0rd|t0p-secret|secret detail/)
  })

  test('F36: one bad table fails the answer and the observation, and the answer says which were loaded', async () => {
    const { send } = harness()
    const names = ['users', 'missing_table', 'products']
    const answer = await send('POST', '/ingest', validBody({ resources: names.map((source_table_name) => ({ source_table_name })) }))
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({
      status: 'error',
      loaded: ['users', 'products'],
      failed: [{ source_table_name: 'missing_table', fault: { tag: 'missing', code: '42P01' } }],
    })
    expect((answer.body as { message: string }).message).toMatch(/^1 of 3 resources failed\. missing_table: .* Loaded: users, products\.$/)
    expect((await send('GET', '/ferry/fgXOw4zY/observe')).body).toMatchObject({
      status: 'failed',
      metrics: { extract: { status: 'failed' } },
    })
  })

  test('a cancelled load is 409', async () => {
    const { send, operations } = harness()
    await send('POST', '/ingest', validBody({ resources: [{ source_table_name: 'slow' }], idempotency_key: 'k' }), {
      prefer: 'respond-async',
    })
    await operations.cancelExecution({ workspaceId: 'default', keyId: 'open' }, 'execution1')
    const answer = await send('POST', '/ingest', validBody({ resources: [{ source_table_name: 'slow' }], idempotency_key: 'k' }))
    expect([answer.status, answer.body]).toMatchObject([409, { status: 'error', message: 'The execution was cancelled.' }])
  })

  test('a fault of the run never looks like a fault of the credential or the route', async () => {
    const { send, operations } = harness()
    const fault: Fault = { tag: 'not-found', what: 'connection', id: 'x' }
    const command = (await commandOf(validBody())) as LoadCommand
    const { successOf } = await import('../fake-operations.ts')
    operations.startLoad = async (caller) => {
      operations.add(caller, command, [{ ...successOf('e9', command), status: 'FAILED', fault }])
      return { executionId: 'e9', created: true }
    }
    expect((await send('POST', '/ingest', validBody())).status).toBe(422)
  })
})
