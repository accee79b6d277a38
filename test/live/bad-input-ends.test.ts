import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { freePort } from '../support/servers/ports.ts'
import { S3_DOUBLE_IDENTITY, S3Double } from '../support/servers/s3-double.ts'
import { expectNoSecrets, refusedAndAsBefore } from './refused.ts'
import { type Workbench, workbench } from './workbench.ts'

const SECRET = 'canary-s3cret-Yw3'

let bench: Workbench
let store: S3Double
beforeAll(async () => {
  bench = await workbench('ends')
  store = await S3Double.start()
  store.put('lake', 'users.csv', 'id,name\n1,Ada\n')
  await bench.source('CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 10)')
  // What is there before must be there afterwards.
  expect((await bench.ingest({ identity: 'before', resources: users })).status).toBe(200)
})
afterAll(async () => {
  await store.stop()
  await bench.close()
})

const users = [{ source_table_name: 'users' }]
const load = (over: Record<string, unknown>) => () => bench.ingest({ identity: 'ends', resources: users, ...over })
const s3 = (over: Record<string, string> = {}, bucket = 'lake') =>
  `s3://${bucket}?${new URLSearchParams({
    access_key_id: S3_DOUBLE_IDENTITY.accessKeyId,
    access_key_secret: S3_DOUBLE_IDENTITY.secretAccessKey,
    endpoint_url: store.url,
    ...over,
  })
    .toString()
    .replaceAll('+', '%20')}`
const file = [{ source_table_name: 'users.csv', destination_table_name: 'users' }]

it('F32, F31: a wrong password of Postgres', async () => {
  const { port } = inject('postgres')
  const source_uri = `postgresql://postgres:${SECRET}@127.0.0.1:${port}/${bench.postgres}`
  await refusedAndAsBefore(
    bench,
    load({ source_uri }),
    {
      status: 422,
      tag: 'denied',
      side: 'source',
      cause: /password authentication failed/,
      place: [`127.0.0.1:${port}`],
      remedy: /password/,
      code: '28P01',
    },
    [SECRET],
  )
})

it('F32, F31: a wrong password of ClickHouse', async () => {
  const { port } = inject('clickhouse')
  const destination_uri = `clickhouse://sluice:${SECRET}@127.0.0.1:9000/${bench.clickhouse}?http_port=${port}`
  await refusedAndAsBefore(
    bench,
    load({ destination_uri }),
    {
      status: 422,
      tag: 'denied',
      side: 'destination',
      cause: /Authentication failed/,
      place: [`127.0.0.1:${port}`],
      remedy: /user and the password/,
      code: '516',
    },
    [SECRET, 'pass-word'],
  )
})

it('F32, F31: a wrong secret of S3, and a key that the store does not know', async () => {
  await refusedAndAsBefore(
    bench,
    load({ source_uri: s3({ access_key_secret: SECRET }), resources: file }),
    {
      status: 422,
      tag: 'denied',
      side: 'source',
      cause: /secret does not belong/,
      place: ['users.csv'],
      remedy: /access_key_secret/,
      code: 'SignatureDoesNotMatch',
    },
    [SECRET, S3_DOUBLE_IDENTITY.secretAccessKey],
  )
  await refusedAndAsBefore(
    bench,
    load({ source_uri: s3({ access_key_id: 'AKNOBODY' }), resources: file }),
    { status: 422, tag: 'denied', side: 'source', cause: /does not know the access key/, place: ['users.csv'], remedy: /access_key_id/ },
    [S3_DOUBLE_IDENTITY.secretAccessKey],
  )
})

it('a port where nobody listens, at each end', async () => {
  const port = await freePort()
  const place = [`127.0.0.1:${port}`]
  const remedy = /[Cc]heck/
  await refusedAndAsBefore(
    bench,
    load({ source_uri: `postgresql://postgres:${SECRET}@127.0.0.1:${port}/x` }),
    { status: 502, tag: 'unreachable', side: 'source', cause: /onnect|refused/, place, remedy },
    [SECRET],
  )
  await refusedAndAsBefore(
    bench,
    load({ destination_uri: `clickhouse://sluice:${SECRET}@127.0.0.1:9000/x?http_port=${port}` }),
    { status: 502, tag: 'unreachable', side: 'destination', cause: /does not answer/, place, remedy },
    [SECRET],
  )
  await refusedAndAsBefore(
    bench,
    load({ source_uri: s3({ endpoint_url: `http://127.0.0.1:${port}`, access_key_secret: SECRET }), resources: file }),
    { status: 502, tag: 'unreachable', side: 'source', cause: /No answer/, place, remedy },
    [SECRET],
  )
})

it('a host name that does not exist, at each end', async () => {
  const host = 'no-such-host.invalid'
  await refusedAndAsBefore(
    bench,
    load({ source_uri: `postgresql://postgres:${SECRET}@${host}:5432/x` }),
    { status: 502, tag: 'unreachable', side: 'source', cause: /./, place: [`${host}:5432`], remedy: /Check host/ },
    [SECRET],
  )
  await refusedAndAsBefore(
    bench,
    load({ destination_uri: `clickhouse://sluice:${SECRET}@${host}:9000/x` }),
    { status: 502, tag: 'unreachable', side: 'destination', cause: /does not answer/, place: [`${host}:8123`], remedy: /Check/ },
    [SECRET],
  )
})

it('a server of another kind behind the address', async () => {
  const place = [`127.0.0.1:${store.port}`]
  await refusedAndAsBefore(bench, load({ source_uri: `postgresql://postgres:${SECRET}@127.0.0.1:${store.port}/x` }), {
    status: 502,
    tag: 'unreachable',
    side: 'source',
    cause: /./,
    place,
    remedy: /Check host and port/,
  })
  const itself = new URL(bench.url).port
  await refusedAndAsBefore(bench, load({ destination_uri: `clickhouse://u:${SECRET}@127.0.0.1:9000/x?http_port=${itself}` }), {
    status: 502,
    tag: 'rejected',
    side: 'destination',
    cause: /./,
    place: [`127.0.0.1:${itself}`],
    remedy: /HTTP interface of ClickHouse/,
  })
})

it('a database, a table and a schema that are not there', async () => {
  const { port, password } = inject('postgres')
  await refusedAndAsBefore(bench, load({ source_uri: `postgresql://postgres:${password}@127.0.0.1:${port}/no_such_db` }), {
    status: 422,
    tag: 'missing',
    side: 'source',
    cause: /database "no_such_db" does not exist/,
    place: [`127.0.0.1:${port}`],
    remedy: /database name/,
    code: '3D000',
  })
  await refusedAndAsBefore(bench, load({ resources: [{ source_table_name: 'usres' }] }), {
    status: 422,
    tag: 'missing',
    side: 'source',
    cause: /no table or view "usres"/,
    place: ['"usres"', bench.postgres],
    remedy: /Nearest names: "users"/,
    code: '42P01',
  })
  await refusedAndAsBefore(bench, load({ resources: [{ source_table_name: 'nowhere.users' }] }), {
    status: 422,
    tag: 'missing',
    side: 'source',
    cause: /no table or view "nowhere.users"/,
    place: ['"nowhere.users"'],
    remedy: /./,
  })
})

it('a bucket, a key and a pattern that match nothing', async () => {
  const refusal = { status: 422, tag: 'missing', side: 'source' } as const
  await refusedAndAsBefore(bench, load({ source_uri: s3({}, 'no-such-bucket'), resources: file }), {
    ...refusal,
    cause: /bucket does not exist/,
    place: ['users.csv', 'no-such-bucket'],
    remedy: /name of the bucket/,
    code: 'NoSuchBucket',
  })
  await refusedAndAsBefore(bench, load({ source_uri: s3(), resources: [{ source_table_name: 'Users.csv' }] }), {
    ...refusal,
    cause: /object does not exist/,
    place: ['Users.csv', 'lake'],
    remedy: /upper and lower case count/,
    code: 'NoSuchKey',
  })
  await refusedAndAsBefore(bench, load({ source_uri: s3(), resources: [{ source_table_name: 'none/*.csv' }] }), {
    ...refusal,
    cause: /No object matches/,
    place: ['none/\\*.csv'.replace('\\', ''), 'lake'],
    remedy: /pattern/,
  })
})

it('F28: a file whose format nobody knows', async () => {
  store.put('lake', 'users.xlsx', 'PK')
  await refusedAndAsBefore(bench, load({ source_uri: s3(), resources: [{ source_table_name: 'users.xlsx' }] }), {
    status: 422,
    tag: 'unsupported',
    side: 'source',
    cause: /format of the file is not known/,
    place: ['users.xlsx'],
    remedy: /Accepted are .csv/,
  })
})

it('F31: no secret of all these is in the log', () => {
  expectNoSecrets(readFileSync(inject('sluice').log, 'utf8'), [SECRET, 'pass-word', S3_DOUBLE_IDENTITY.secretAccessKey])
})
