import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { destinationState, expectInvalid, expectNoSecrets } from './refused.ts'
import { type Answer, type Workbench, workbench } from './workbench.ts'

const SECRET = 'canary-s3cret-Xq7'

let bench: Workbench
beforeAll(async () => {
  bench = await workbench('requests')
  await bench.source('CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1)')
})
afterAll(() => bench.close())

const users = [{ source_table_name: 'users' }]

async function postText(body: string, type: string | null = 'application/json'): Promise<Answer> {
  const response = await fetch(`${bench.url}/ingest`, {
    method: 'POST',
    headers: type === null ? {} : { 'content-type': type },
    body: new TextEncoder().encode(body),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

it.each([
  ['a comma is missing', '{"identity": "x"\n "source_uri": "postgres://a"}', '18'],
  ['the text ends early', '{"identity": "x", "resources": [', '32'],
  ['there is a trailing comma', '{"identity": "x",}', '17'],
  ['the key has single quotes', "{'identity': 1}", '1'],
  ['a control character is in a text', '{"identity": "a\u0001b"}', '15'],
])('F38: malformed JSON is 422 with the byte offset: %s', async (_, body, offset) => {
  expectInvalid(await postText(body), offset, 'JSON decode error')
})

it('F38: an empty body and another content type are 422', async () => {
  expectInvalid(await postText(''), 'body', 'Field required')
  expectInvalid(await postText('{}', 'text/plain'), 'body', 'Content-Type must be application/json')
  expectInvalid(await postText('{}', null), 'body', 'Content-Type must be application/json')
})

it('F6: an unknown scheme is named, and the rest of the URI is not repeated', async () => {
  for (const field of ['source_uri', 'destination_uri'] as const) {
    const answer = await bench.ingest({ identity: 'scheme', resources: users, [field]: `ftp://me:${SECRET}@host/x` })
    expectInvalid(answer, field, /Unsupported URI scheme: ftp$/, [SECRET])
  }
})

const badUris: [string, 'source_uri' | 'destination_uri', string, RegExp][] = [
  ['an unknown option of Postgres', 'source_uri', `postgresql://me:${SECRET}@127.0.0.1:5432/db?sslmod=require`, /sslmod: .*Known: sslmode/],
  [
    'a wrong value of an option of Postgres',
    'source_uri',
    `postgresql://me:${SECRET}@127.0.0.1:5432/db?sslmode=maybe`,
    /sslmode: must be disable, prefer/,
  ],
  [
    'an option of Postgres given twice',
    'source_uri',
    `postgresql://me:${SECRET}@127.0.0.1:5432/db?sslmode=disable&sslmode=disable`,
    /given more than once/,
  ],
  ['a Postgres URI without a database', 'source_uri', `postgresql://me:${SECRET}@127.0.0.1:5432`, /names no database/],
  ['a Postgres URI without a user', 'source_uri', 'postgresql://127.0.0.1:5432/db', /names no user/],
  ['a port beyond 65535', 'source_uri', `postgresql://me:${SECRET}@127.0.0.1:70000/db`, /not a valid URI/],
  ['a password with a stray percent sign', 'source_uri', `postgresql://me:${SECRET}%zz@127.0.0.1:5432/db`, /write a literal % as %25/],
  [
    'an unknown option of ClickHouse',
    'destination_uri',
    `clickhouse://me:${SECRET}@127.0.0.1:9000/db?htp_port=1`,
    /htp_port: Unknown option/,
  ],
  [
    'a wrong port of ClickHouse',
    'destination_uri',
    `clickhouse://me:${SECRET}@127.0.0.1:9000/db?http_port=eight`,
    /http_port: Must be a port number/,
  ],
  ['a wrong flag of ClickHouse', 'destination_uri', `clickhouse://me:${SECRET}@127.0.0.1:9000/db?secure=maybe`, /secure: Must be 0 or 1/],
  ['an unknown option of S3', 'source_uri', `s3://lake?access_key_id=AK&access_key_secret=${SECRET}&regoin=eu`, /Unknown option "regoin"/],
  ['half a key of S3', 'source_uri', `s3://lake?access_key_secret=${SECRET}`, /access_key_id: is missing/],
  ['credentials in the wrong place of S3', 'source_uri', `s3://AK:${SECRET}@lake`, /access_key_id and access_key_secret/],
]

it.each(badUris)('a URI with %s is 422, says what is wrong, and keeps the secret', async (_, field, uri, message) => {
  expectInvalid(await bench.ingest({ identity: 'uri', resources: users, [field]: uri }), field, message, [SECRET])
})

it('an address that the operator does not allow is refused, whatever its form, and nothing is asked of it', async () => {
  for (const host of ['169.254.169.254', '10.0.0.1', '2130706433', '[::ffff:10.0.0.1]', 'metadata.google.internal']) {
    const answer = await bench.ingest({ identity: 'inside', resources: users, source_uri: `postgresql://me:${SECRET}@${host}:5432/db` })
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ status: 'error', message: expect.stringMatching(/may not connect to (private|odd) address/) })
    expectNoSecrets(JSON.stringify(answer.body), [SECRET])
  }
})

it('a body of more than 1 MiB is 413, and names in it may be as long as they like but are refused', async () => {
  const long = await bench.ingest({ identity: 'x'.repeat(1024 * 1024), resources: users })
  expect([long.status, Object.keys(long.body)]).toEqual([413, ['detail']])
  expectInvalid(await bench.ingest({ identity: 'x'.repeat(600), resources: users }), 'identity', /<=512/)
})

it('a request that was refused leaves no table, no execution and no secret in the log', async () => {
  expect(await destinationState(bench)).toEqual([])
  expectNoSecrets(readFileSync(inject('sluice').log, 'utf8'), [SECRET])
})
