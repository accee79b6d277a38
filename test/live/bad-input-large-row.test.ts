import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { refusedAndAsBefore } from './refused.ts'
import { type Workbench, workbench } from './workbench.ts'

const MB = 1024 * 1024

let bench: Workbench
beforeAll(async () => {
  bench = await workbench('large_row')
})
afterAll(() => bench.close())

const load = (table: string) => bench.ingest({ identity: 'large', resources: [{ source_table_name: table }] })

it('a row of 200 MB arrives byte for byte, between small ones', async () => {
  await bench.source(`CREATE TABLE large (id int PRIMARY KEY, body text);
    INSERT INTO large VALUES (1, 'small'), (2, repeat(E'0123456789\\tabc\\n', ${200 * MB} / 15)), (3, 'small')`)
  const answer = await load('large')
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  const piece = Buffer.from('0123456789\tabc\n')
  const times = Math.floor((200 * MB) / 15)
  const hash = createHash('md5')
  const block = Buffer.concat(Array(1000).fill(piece))
  for (let at = 0; at + 1000 <= times; at += 1000) hash.update(block)
  for (let at = 0; at < times % 1000; at++) hash.update(piece)
  expect(
    await bench.destination('SELECT id, toString(length(body)) AS bytes, lower(hex(MD5(body))) AS md5 FROM large WHERE id = 2'),
  ).toEqual([{ id: 2, bytes: String(times * 15), md5: hash.digest('hex') }])
  expect(await bench.destination('SELECT toString(count()) AS n FROM large')).toEqual([{ n: '3' }])
  await bench.source('DROP TABLE large')
})

it('a row that Postgres itself cannot make, beyond 1 GB, is a clear failure', async () => {
  await bench.source("CREATE VIEW beyond AS SELECT g AS id, repeat('x', 1073741824 * (g / 3)) AS body FROM generate_series(1, 3) g")
  await refusedAndAsBefore(bench, () => load('beyond'), {
    status: 504,
    tag: 'exhausted',
    side: 'source',
    cause: /requested length too large/,
    place: ['beyond'],
    remedy: /limit of its own/,
    code: '54000',
  })
})
