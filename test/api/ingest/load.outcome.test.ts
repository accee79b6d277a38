import { describe, expect, test } from 'vitest'
import { ingestAnswer } from '../../../src/api/ingest/answer-schemas.ts'
import { parseIngestRequest, toCommand } from '../../../src/api/ingest/wire.ts'
import type { Fault } from '../../../src/core/errors.ts'
import { successOf } from '../fake-operations.ts'
import { harness, SCHEMES, validBody } from '../harness.ts'

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

  test('a wait that keeps breaking answers where to look: the load has been started, and nobody should start it again', async () => {
    const { send, operations, logged } = harness()
    operations.waitErrors = Array.from({ length: 20 }, () => new Error('gone'))
    const answer = await send('POST', '/ingest', slow)
    expect([answer.status, answer.body]).toMatchObject([202, { status: 'processing', execution_id: 'execution1' }])
    expect(operations.waits.length).toBeLessThan(10)
    expect(logged.map(({ event }) => event)).toEqual(['wait-failed'])
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
    const command = toCommand(parseIngestRequest(validBody(), SCHEMES))
    operations.startLoad = async (caller) => {
      operations.add(caller, command, [{ ...successOf('e9', command), status: 'FAILED', fault }])
      return { executionId: 'e9', created: true }
    }
    expect((await send('POST', '/ingest', validBody())).status).toBe(422)
  })
})
