import { afterAll, beforeAll, expect, it } from 'vitest'
import { ingestAnswer, observation } from '../../src/api/ingest/answer-schemas.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench('receipt')
  await bench.source(`
    CREATE TABLE users (id int PRIMARY KEY, name text, score float8, paid numeric(10,2), born date, seen timestamptz, doc jsonb, tags text[], raw bytea, ok boolean, u uuid);
    INSERT INTO users SELECT g, 'user ' || g || E'\\t\\n\\\\ ü😀', sqrt(g), g / 7.0, date '2000-01-01' + g, timestamptz '2024-01-01' + g * interval '1.000001s',
      jsonb_build_object('g', g), ARRAY['a', NULL, g::text], decode(lpad(to_hex(g), 8, '0'), 'hex'), g % 3 = 0, gen_random_uuid() FROM generate_series(1, 3000) g;
    UPDATE users SET name = NULL, score = 'NaN', paid = NULL WHERE id % 10 = 0;
    CREATE TABLE products (id int PRIMARY KEY, name text); INSERT INTO products VALUES (1, 'one'), (2, 'two');
    CREATE TABLE ancient (id int, day date); INSERT INTO ancient VALUES (1, '0044-03-15 BC')`)
})
afterAll(() => bench.close())

it('F1: the receipt proves the delivery: rows read, delivered and found, lane, chunks, consistency and durations', async () => {
  const answer = await bench.ingest({ identity: 'proof', resources: [{ source_table_name: 'users' }] })
  expect(answer.status).toBe(200)
  ingestAnswer.parse(answer.body)
  const { receipt } = answer.body
  expect(receipt).toMatchObject({
    execution_id: answer.body.execution_id,
    pipeline_name: 'proof',
    status: 'success',
    state: 'success',
    cancel_requested: false,
    source: { system: 'postgres' },
    destination: { system: 'clickhouse' },
    healing: [],
    fault: null,
  })
  const [users] = receipt.resources
  expect(users).toMatchObject({
    source_table_name: 'users',
    destination_table_name: 'users',
    write_disposition: 'replace',
    phase: 'done',
    lane: 'bytes: both speak tsv, nothing is parsed',
    consistency: 'snapshot',
    rows: { read: 3000, delivered: 3000, found: 3000, folded: 0, in_table: 3000 },
    chunks: { done: 1, total: 1, all_planned: true },
    fault: null,
  })
  expect(users.checksum).toMatchObject({ equal: true })
  expect(users.bytes).toBeGreaterThan(3000 * 50)
  const times = [receipt.created_at, receipt.started_at, users.started_at, users.ended_at, receipt.ended_at]
  expect([...times].sort()).toEqual(times)
  expect(receipt.duration_seconds).toBeGreaterThanOrEqual(users.copy_seconds)
  expect(users.commit_seconds).toBeGreaterThanOrEqual(0)
})

it("verify: 'checksum' makes both ends compute the same checksum of the contents", async () => {
  const answer = await bench.ingest({ identity: 'checksum', verify: 'checksum', resources: [{ source_table_name: 'users' }] })
  expect(answer.body).toMatchObject({ status: 'success' })
  const { checksum } = answer.body.receipt.resources[0]
  expect(checksum).toMatchObject({ method: 'sum-md5-32', equal: true })
  expect(checksum.source).toBe(checksum.destination)
  expect(BigInt(checksum.source)).toBeGreaterThan(0n)
  // Everything but the array is covered.
  expect(checksum.fields).toEqual(['id', 'name', 'score', 'paid', 'born', 'seen', 'doc', 'raw', 'ok', 'u'])
  const again = await bench.ingest({ identity: 'checksum', verify: 'checksum', resources: [{ source_table_name: 'users' }] })
  expect(again.body.receipt.resources[0].checksum).toEqual(checksum)
  await bench.source(`UPDATE users SET name = 'another' WHERE id = 1`)
  const changed = await bench.ingest({ identity: 'checksum', verify: 'checksum', resources: [{ source_table_name: 'users' }] })
  expect(changed.body.receipt.resources[0].checksum.source).not.toBe(checksum.source)
})

it('F29: observe after a run: completed, three phases, the right row counts', async () => {
  await bench.ingest({ identity: 'ob/served', resources: [{ source_table_name: 'users' }, { source_table_name: 'products' }] })
  const { status, body } = await bench.get('/ingest/ob%2Fserved/observe')
  expect(status).toBe(200)
  observation.parse(body)
  expect(body).toMatchObject({
    pipeline_name: 'ob/served',
    source_type: null,
    destination_type: 'clickhouse',
    status: 'completed',
    error: null,
  })
  const { extract, normalize, load } = body.metrics
  expect([extract.status, normalize.status, load.status]).toEqual(['completed', 'completed', 'completed'])
  for (const phase of [extract, normalize]) {
    expect(phase.resource_metrics).toMatchObject([
      { name: 'users', row_count: 3000 },
      { name: 'products', row_count: 2 },
    ])
  }
  expect(load.resource_metrics.map(({ name }: { name: string }) => name)).toEqual(['users', 'products'])
  const schema = await bench.get('/schema?pipeline_name=ob%2Fserved')
  expect(schema.body.pipeline_schema).toContain('products')
})

it('F30: observe of an unknown identity is 404 with detail', async () => {
  expect(await bench.get('/ingest/never-run/observe')).toMatchObject({ status: 404, body: { detail: "Pipeline 'never-run' not found" } })
})

it('F36: a failure in resource 2 is an error, observe says failed, and the other tables are loaded and named', async () => {
  const answer = await bench.ingest({
    identity: 'second-fails',
    resources: [
      { source_table_name: 'users', destination_table_name: 'first' },
      { source_table_name: 'ancient' },
      { source_table_name: 'not_there' },
      { source_table_name: 'products', destination_table_name: 'last' },
    ],
  })
  expect(answer.status).toBe(422)
  ingestAnswer.parse(answer.body)
  expect(answer.body).toMatchObject({
    status: 'error',
    loaded: ['users', 'products'],
    failed: [
      { source_table_name: 'ancient', fault: { tag: 'bad-data', place: { column: 'day' } } },
      { source_table_name: 'not_there', fault: { tag: 'missing', code: '42P01' } },
    ],
  })
  for (const name of ['ancient', 'not_there', 'users', 'products']) expect(answer.body.message).toContain(name)
  const tables = await bench.tables()
  expect(tables).toEqual(expect.arrayContaining(['first', 'last']))
  expect(tables).not.toContain('ancient')
  expect(tables.filter((name) => name.startsWith('_sluice'))).toEqual([])
  const observed = await bench.get('/ingest/second-fails/observe')
  expect(observed.body).toMatchObject({ status: 'failed' })
  expect(observed.body.error).toContain('not_there')
})

it('F32: a wrong password is not 200, says error, and names the side without the password', async () => {
  const wrong = bench.sourceUri.replace(/:[^:@/]+@/, ':wr0ng-guess@')
  expect(wrong).not.toBe(bench.sourceUri)
  const source = await bench.ingest({ identity: 'wrong-source', source_uri: wrong, resources: [{ source_table_name: 'users' }] })
  expect(source.status).toBe(422)
  expect(source.body).toMatchObject({ status: 'error', failed: [{ fault: { tag: 'denied', place: { side: 'source' }, code: '28P01' } }] })
  const destination_uri = bench.destinationUri.replace('pass-word', 'wr0ng-guess')
  const destination = await bench.ingest({ identity: 'wrong-destination', destination_uri, resources: [{ source_table_name: 'users' }] })
  expect(destination.status).toBe(422)
  expect(destination.body).toMatchObject({
    status: 'error',
    failed: [{ fault: { tag: 'denied', place: { side: 'destination' }, code: '516' } }],
  })
  for (const answer of [source, destination]) expect(JSON.stringify(answer.body)).not.toContain('wr0ng-guess')
})

it('an answer with several tables holds what each of them moved', async () => {
  const answer = await bench.ingest({
    identity: 'several',
    resources: [
      { source_table_name: 'users', destination_table_name: 'a' },
      { source_table_name: 'products', destination_table_name: 'b', write_disposition_config: { type: 'append' } },
    ],
  })
  expect(
    answer.body.receipt.resources.map((resource: Record<string, unknown>) => [
      resource.destination_table_name,
      resource.write_disposition,
      resource.rows,
    ]),
  ).toEqual([
    ['a', 'replace', { read: 3000, delivered: 3000, found: 3000, folded: 0, in_table: 3000 }],
    ['b', 'append', { read: 2, delivered: 2, found: 2, folded: 0, in_table: 2 }],
  ])
})
