import { describe, expect, test } from 'vitest'
import { chunkPage, ingestAnswer, observation, schemaAnswer } from '../../../src/api/ingest/answer-schemas.ts'
import { type Harness, harness, validBody } from '../harness.ts'

const SLOW = validBody({ resources: [{ source_table_name: 'slow' }] })

describe('an execution', () => {
  test('is shown with its receipt, while it runs and afterwards', async () => {
    const { send } = harness()
    await send('POST', '/ingest', SLOW, { prefer: 'respond-async' })
    const running = await send('GET', '/ingest/executions/execution1')
    expect([running.status, running.body]).toMatchObject([
      200,
      { status: 'processing', receipt: { state: 'running', resources: [{ phase: 'copying' }] } },
    ])
    const ended = await send('POST', '/ingest', validBody())
    const shown = await send('GET', '/ferry/executions/execution2')
    expect(shown.body).toEqual(ended.body)
    for (const answer of [running, ended]) expect(ingestAnswer.safeParse(answer.body).error).toBeUndefined()
  })

  test('its receipt says per table what was read, delivered and found, how, and what it took', async () => {
    const { send } = harness()
    expect((await send('POST', '/ingest', validBody())).body).toMatchObject({
      receipt: {
        duration_seconds: 1.25,
        resources: [
          {
            rows: { read: 3, delivered: 3, found: 3, folded: 0, in_table: 3 },
            bytes: 42,
            chunks: { done: 1, total: 1, all_planned: true },
            lane: 'bytes: both speak tsv',
            consistency: 'snapshot',
            copy_seconds: 1,
            commit_seconds: 0.25,
          },
        ],
        healing: [],
      },
    })
  })

  test.each([
    ['POST', '/ingest/executions/execution1/cancel'],
    ['DELETE', '/ferry/executions/execution1'],
  ])('is cancelled by %s %s, and what has ended stays as it is', async (method, path) => {
    const { send, operations } = harness()
    await send('POST', '/ingest', SLOW, { prefer: 'respond-async' })
    const first = await send(method, path)
    expect([first.status, first.body]).toMatchObject([
      200,
      { status: 'error', message: 'The execution was cancelled.', receipt: { cancel_requested: true } },
    ])
    expect((await send(method, path)).body).toEqual(first.body)
    expect(operations.cancelled).toEqual(['execution1', 'execution1'])
  })

  test('lists its chunks page by page', async () => {
    const { send } = harness()
    await send('POST', '/ingest', validBody())
    const ids: string[] = []
    let path = '/ingest/executions/execution1/chunks?limit=2'
    for (let pages = 0; pages < 5; pages++) {
      const page = chunkPage.parse((await send('GET', path)).body)
      ids.push(...page.chunks.map(({ id }) => id))
      if (!page.next) break
      path = `/ingest/executions/execution1/chunks?limit=2&after=${page.next}`
    }
    expect(ids).toEqual(['a', 'b', 'c'])
    for (const limit of ['0', '1001', 'x', '1.5']) {
      expect((await send('GET', `/ingest/executions/execution1/chunks?limit=${limit}`)).status).toBe(422)
    }
  })

  test('that does not exist is 404 everywhere', async () => {
    const { send } = harness()
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/chunks'],
      ['POST', '/cancel'],
      ['DELETE', ''],
    ] as const) {
      const answer = await send(method, `/ingest/executions/none${path}`)
      expect([answer.status, answer.body]).toEqual([404, { detail: "Execution 'none' not found" }])
    }
  })
})

describe('observing a pipeline', () => {
  test('F29: the last run in three phases, each with its rows', async () => {
    const { send } = harness()
    await send('POST', '/ingest', validBody({ resources: [{ source_table_name: 'users', destination_table_name: 'dw_users' }] }))
    const { body } = await send('GET', '/ferry/fgXOw4zY/observe')
    expect(observation.safeParse(body).error).toBeUndefined()
    const copying = { start_time: '2026-01-31T12:00:00.000Z', end_time: '2026-01-31T12:00:01.000Z', status: 'completed', error: null }
    expect(body).toEqual({
      pipeline_name: 'fgXOw4zY',
      source_type: null,
      destination_type: 'clickhouse',
      start_time: '2026-01-31T12:00:00.000Z',
      end_time: '2026-01-31T12:00:01.250Z',
      status: 'completed',
      error: null,
      metrics: {
        extract: { ...copying, resource_metrics: [{ name: 'users', row_count: 3, file_size: 42 }] },
        normalize: { ...copying, resource_metrics: [{ name: 'dw_users', row_count: 3, file_size: 42 }] },
        load: {
          start_time: '2026-01-31T12:00:01.000Z',
          end_time: '2026-01-31T12:00:01.250Z',
          status: 'completed',
          error: null,
          resource_metrics: [{ name: 'dw_users', start_time: '2026-01-31T12:00:01.000Z', end_time: '2026-01-31T12:00:01.250Z' }],
        },
      },
    })
  })

  test('a failure at the destination is one of loading', async () => {
    const { send } = harness()
    await send('POST', '/ingest', validBody({ resources: [{ source_table_name: 'unreachable' }] }))
    const { body } = await send('GET', '/ingest/fgXOw4zY/observe')
    expect(observation.safeParse(body).error).toBeUndefined()
    expect(body).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('Connection refused'),
      metrics: { load: { status: 'failed' } },
    })
  })

  test('F30: an unknown one is 404 at once', async () => {
    const { send, clock } = harness()
    for (const path of ['/ferry/nobody/observe', '/ingest/nobody/observe']) {
      const answer = await send('GET', path)
      expect([answer.status, answer.body]).toEqual([404, { detail: "Pipeline 'nobody' not found" }])
    }
    expect(clock.slept).toEqual([])
  })

  test.each(['a/b', 'ünï çødé 😀', 'executions', '100%', '%2F', 'a?b#c', '..%2f', ' ', 'x;y=1', 'observe', '"\'', '*', ':id'])(
    'the identity %j finds its way through the path',
    async (identity) => {
      const { send, operations } = harness()
      await send('POST', '/ingest', validBody({ identity }))
      expect(operations.started[0]?.command.pipeline).toBe(identity)
      const answer = await send('GET', `/ferry/${encodeURIComponent(identity)}/observe`)
      expect([answer.status, answer.body]).toMatchObject([200, { pipeline_name: identity }])
    },
  )
})

describe('the schema of a pipeline', () => {
  const fetchSchema = async ({ send }: Harness, name = 'fgXOw4zY') => await send('GET', `/schema?pipeline_name=${encodeURIComponent(name)}`)

  test('is YAML with tables, columns, types and nullability', async () => {
    const app = harness()
    const { body: loaded } = await app.send('POST', '/ingest', validBody())
    const { body } = await fetchSchema(app)
    const { pipeline_name, pipeline_schema } = schemaAnswer.parse(body)
    expect(pipeline_name).toBe('fgXOw4zY')
    expect(pipeline_schema).toBe(
      [
        'version: 1',
        `version_hash: "${(loaded as { schema_version_hash: string }).schema_version_hash}"`,
        'name: "fgXOw4zY"',
        'tables:',
        '  users:',
        '    columns:',
        '      id:',
        '        data_type: "bigint"',
        '        nullable: false',
        '        exact_type: "int32"',
        '        source_type: "integer"',
        '      name:',
        '        data_type: "text"',
        '        nullable: true',
        '        exact_type: "string"',
        '        source_type: "text"',
        '    resource: "users"',
        '',
      ].join('\n'),
    )
  })

  test('names that YAML would misread are quoted', async () => {
    const app = harness()
    await app.send(
      'POST',
      '/ingest',
      validBody({ resources: ['no', 'a: b', 'x"y\n', '1'].map((source_table_name) => ({ source_table_name })) }),
    )
    const { pipeline_schema } = schemaAnswer.parse((await fetchSchema(app)).body)
    for (const name of ['"no"', '"a: b"', '"x\\"y\\n"', '"1"']) expect(pipeline_schema).toContain(`\n  ${name}:\n`)
  })

  test('any failure is 500 with one message', async () => {
    const app = harness()
    const unknown = await fetchSchema(app, 'nobody')
    expect([unknown.status, unknown.body]).toEqual([500, { status: 'error', message: 'Failed to fetch schema' }])
    app.operations.latestExecution = async () => {
      throw new TypeError('postgres://u:p4ss-w0rd@h')
    }
    expect((await fetchSchema(app)).body).toEqual({ status: 'error', message: 'Failed to fetch schema' })
    expect(app.logged).toHaveLength(1)
    expect(app.seen.join()).not.toContain('p4ss-w0rd')
  })

  test('the version hash changes with the columns and with nothing else', async () => {
    const { schemaVersionHash } = await import('../../../src/api/ingest/schema-document.ts')
    const { successOf } = await import('../fake-operations.ts')
    const { toCommand, parseIngestRequest } = await import('../../../src/api/ingest/wire.ts')
    const { SCHEMES } = await import('../harness.ts')
    const command = toCommand(
      parseIngestRequest(validBody({ resources: [{ source_table_name: 'b' }, { source_table_name: 'a' }] }), SCHEMES),
    )
    const view = successOf('e', command)
    const hash = await schemaVersionHash(view)
    expect(await schemaVersionHash({ ...view, id: 'f', resources: view.resources.toReversed() })).toBe(hash)
    const changed = view.resources.map((resource) => ({
      ...resource,
      schema: { fields: (resource.schema?.fields ?? []).map((field) => ({ ...field, nullable: true })) },
    }))
    expect(await schemaVersionHash({ ...view, resources: changed })).not.toBe(hash)
    expect(await schemaVersionHash({ ...view, resources: [] })).toBeNull()
  })
})
