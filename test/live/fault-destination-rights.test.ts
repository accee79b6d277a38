import { afterAll, beforeAll, expect, it } from 'vitest'
import { MINIMAL_RIGHTS } from '../../src/connectors/clickhouse/faults.ts'
import { ClickHouseServer, type ClickHouseUser } from '../support/servers/clickhouse.ts'
import { destinationState, expectRefused, type Refusal } from './refused.ts'
import { type Workbench, workbench } from './workbench.ts'

const PASSWORD = 'canary-dest-Zk9'

/** What the remedy of a missing right names, as statements. */
const minimal = (() => {
  const [onDatabase = '', engine = '', system = ''] = MINIMAL_RIGHTS.replace('Grant the user: ', '').split('; ')
  return [
    `${onDatabase.replace(' on the database', '')} ON dw.*`,
    engine,
    ...(system.match(/system\.\w+/g) ?? []).map((table) => `SELECT ON ${table}`),
  ]
})()

const users: ClickHouseUser[] = [
  { name: 'owner', password: PASSWORD },
  { name: 'reader', password: PASSWORD, profile: 'readonly' },
  { name: 'inserter', password: PASSWORD, grants: minimal.map((grant) => grant.replace('SELECT, INSERT,', 'SELECT,')) },
  { name: 'minimal', password: PASSWORD, grants: minimal },
  { name: 'memory', password: PASSWORD, settings: { max_memory_usage: 3_000_000 } },
  { name: 'disk', password: PASSWORD, settings: { min_free_disk_bytes_to_perform_insert: 1e15 } },
  { name: 'time', password: PASSWORD, settings: { max_execution_time: 0.001, timeout_before_checking_execution_speed: 0 } },
  { name: 'quota', password: PASSWORD, writtenBytesQuota: 1000 },
]

let bench: Workbench
let server: ClickHouseServer
beforeAll(async () => {
  ;[bench, server] = await Promise.all([workbench('rights'), ClickHouseServer.start({ users })])
  await server.query('CREATE DATABASE dw ENGINE = Atomic')
  await bench.source(`CREATE TABLE stock (id int PRIMARY KEY, name text NOT NULL, amount int);
    INSERT INTO stock SELECT g, 'n' || g, g FROM generate_series(1, 2000) g;
    CREATE TABLE heavy (id int PRIMARY KEY, body text NOT NULL);
    INSERT INTO heavy SELECT g, repeat(md5(g::text), 200) FROM generate_series(1, 5000) g`)
  expect((await load('owner')).status).toBe(200)
})
afterAll(async () => {
  await server.stop()
  await bench.close()
})

const load = (user: string, resource: Record<string, unknown> = {}) =>
  bench.ingest({
    identity: 'rights',
    destination_uri: `clickhouse://${user}:${PASSWORD}@127.0.0.1:9000/dw?http_port=${server.port}`,
    resources: [{ source_table_name: 'stock', ...resource }],
  })
const state = () =>
  destinationState({
    clickhouse: 'dw',
    destination: <T>(sql: string) =>
      fetch(`${server.url}/?database=dw`, { method: 'POST', body: `${sql} FORMAT JSON` }).then(
        async (answer) => ((await answer.json()) as { data: T[] }).data,
      ),
  })

async function refused(user: string, resource: Record<string, unknown>, expected: Omit<Refusal, 'side' | 'place'>): Promise<void> {
  const before = await state()
  expect(before.length).toBeGreaterThan(0)
  expectRefused(
    await load(user, resource),
    { ...expected, side: 'destination', place: [`127.0.0.1:${server.port}`, String(resource.source_table_name ?? 'stock')] },
    [PASSWORD],
  )
  expect(await state()).toEqual(before)
}

it('a user who may only read is told which rights are needed', async () => {
  await refused('reader', {}, { status: 422, tag: 'denied', cause: /readonly/, remedy: /Grant the user: SELECT, INSERT/, code: '164' })
})

it('a right that is missing is named', async () => {
  await refused(
    'inserter',
    {},
    { status: 422, tag: 'denied', cause: /necessary to have the grant INSERT/, remedy: /Grant the user/, code: '497' },
  )
})

it('the rights that the remedy names are enough for every way of writing', async () => {
  const dispositions = [
    { type: 'replace' },
    { type: 'append' },
    { type: 'merge', strategy: 'upsert', config: { primary_key: 'id' } },
    { type: 'merge', strategy: 'delete-insert', config: { primary_key: 'id' } },
    { type: 'merge', strategy: 'scd2', config: {} },
  ]
  for (const [at, write_disposition_config] of dispositions.entries()) {
    for (const round of ['creates', 'changes']) {
      const answer = await load('minimal', { destination_table_name: `as_${at}`, write_disposition_config })
      expect([write_disposition_config, round, answer.status, answer.body.failed ?? []]).toEqual([write_disposition_config, round, 200, []])
    }
  }
  expect((await state()).map(({ table }) => table)).toEqual(['as_0', 'as_1', 'as_2', 'as_3', 'as_4', 'stock'])
})

const exhausted = { status: 504, tag: 'exhausted' } as const

it('memory that runs out is said as such, with what to raise', async () => {
  await refused('memory', { source_table_name: 'heavy' }, { ...exhausted, cause: /memory limit/i, remedy: /max_memory_usage/, code: '241' })
})

it('a disk without room is said as such', async () => {
  await refused('disk', {}, { ...exhausted, cause: /space|disk/i, remedy: /Free disk space/, code: '243' })
})

it('time that runs out is said as such, with what to raise', async () => {
  await refused(
    'time',
    { source_table_name: 'heavy' },
    { ...exhausted, cause: /[Tt]imeout exceeded/, remedy: /max_execution_time/, code: '159' },
  )
})

it('a quota that is used up is said as such', async () => {
  await refused('quota', {}, { ...exhausted, cause: /[Qq]uota/, remedy: /quota/, code: '201' })
})
