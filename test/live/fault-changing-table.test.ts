import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { destinationState, expectRefused } from './refused.ts'
import { type Rig, rig } from './rig.ts'
import type { Answer } from './workbench.ts'

const ROWS = 30_000

let here: Rig
let writer: pg.Client
beforeAll(async () => {
  here = await rig('changing', { IDLE_TIMEOUT_MS: '10000' })
  writer = new pg.Client({ connectionString: here.bench.sourceUri })
  writer.on('error', () => {})
  await writer.connect()
})
afterAll(async () => {
  await writer.end()
  await here.close()
})
afterEach(() => {
  here.toPostgres.weather = {}
})

/** About 3.5 MB: some seven chunks. Amounts add up to nothing. */
async function table(name: string): Promise<void> {
  await here.bench.source(`CREATE TABLE ${name} (id int PRIMARY KEY, amount bigint NOT NULL, body text NOT NULL);
    INSERT INTO ${name} SELECT g, CASE WHEN g % 2 = 0 THEN 1000 ELSE -1000 END, repeat(md5(g::text), 3) FROM generate_series(1, ${ROWS}) g; ANALYZE ${name}`)
  await here.clickhouse(`CREATE TABLE ${name} (id Int32, amount Int64, body String) ENGINE = MergeTree ORDER BY id AS SELECT 0, 0, 'old'`)
}

const sums = (name: string) =>
  here.bench.destination<{ n: string; distinct: string; balance: string }>(
    `SELECT toString(count()) AS n, toString(uniqExact(id)) AS distinct, toString(sum(amount)) AS balance FROM ${name}`,
  )

/** Starts a load on a slow network and returns once its first chunk is under way; in an object, so that it is not waited for. */
async function started(name: string): Promise<{ answer: Promise<Answer> }> {
  here.toPostgres.weather = { downBytesPerSecond: 1_000_000 }
  const answer = here.ingest({ source_table_name: name }).finally(() => {
    here.toPostgres.weather = {}
  })
  await here.staged()
  return { answer }
}

it('a table that many transactions insert into, delete from and update during the load shows one moment', async () => {
  await table('accounts')
  let writing = true
  let written = 0
  const changes = (async () => {
    for (let at = 0; writing; at++) {
      const [a, b, c, d] = [1 + ((at * 7919) % ROWS), 1 + ((at * 104729) % ROWS), ROWS + 1 + 2 * at, ROWS + 2 + 2 * at]
      await writer.query(`BEGIN;
        UPDATE accounts SET amount = amount - 7 WHERE id = ${a}; UPDATE accounts SET amount = amount + 7 WHERE id = ${b};
        INSERT INTO accounts VALUES (${c}, 5, 'new'), (${d}, -5, 'new'); COMMIT`)
      if (at % 3 === 0) await writer.query(`DELETE FROM accounts WHERE id IN (${c}, ${d})`)
      written = at
    }
  })()
  const answer = await (await started('accounts')).answer
  writing = false
  await changes
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(written).toBeGreaterThan(10)
  expect(answer.body.receipt.resources[0].consistency).toBe('snapshot')
  // Every transaction keeps the balance, and no row may be there twice.
  const [there] = await sums('accounts')
  expect([there?.balance, there?.distinct]).toEqual(['0', there?.n])
  expect(Number(there?.n)).toBeGreaterThanOrEqual(ROWS)
})

const interruptions: [string, string, { tag: string; status: number; cause: RegExp; remedy: RegExp }][] = [
  ['truncated', 'TRUNCATE $t', { tag: 'rejected', status: 502, cause: /truncated or rewritten/, remedy: /Run the load again/ }],
  ['dropped', 'DROP TABLE $t', { tag: 'missing', status: 422, cause: /does not exist|no table/, remedy: /dropped or renamed/ }],
  [
    'robbed of a column',
    'ALTER TABLE $t DROP COLUMN amount',
    { tag: 'missing', status: 422, cause: /amount/, remedy: /dropped or renamed/ },
  ],
  [
    'given another type of column, which rewrites it',
    'ALTER TABLE $t ALTER COLUMN amount TYPE numeric(30,4)',
    { tag: 'rejected', status: 502, cause: /truncated or rewritten/, remedy: /Run the load again/ },
  ],
  [
    'rewritten by VACUUM FULL',
    'VACUUM FULL $t',
    { tag: 'rejected', status: 502, cause: /truncated or rewritten/, remedy: /Run the load again/ },
  ],
  [
    'renamed',
    'ALTER TABLE $t RENAME TO $t_away',
    { tag: 'missing', status: 422, cause: /does not exist|no table/, remedy: /dropped or renamed/ },
  ],
]

it.each(interruptions)(
  'a table that is %s during the load is a clear error or a whole table, never half of one',
  async (what, sql, expected) => {
    const name = `t_${what.replace(/\W+/g, '_').slice(0, 20).toLowerCase()}`
    await table(name)
    const before = await destinationState(here.bench)
    const loading = await started(name)
    await writer.query(sql.replaceAll('$t', name))
    const answer = await loading.answer
    if (answer.status === 200) {
      expect(await sums(name)).toEqual([{ n: String(ROWS), distinct: String(ROWS), balance: '0' }])
    } else {
      expectRefused(answer, { ...expected, tag: expected.tag as 'missing', side: 'source', place: [name] })
      expect(await destinationState(here.bench)).toEqual(before)
    }
    expect((await here.bench.tables()).filter((table) => table.startsWith('_sluice_'))).toEqual([])
  },
)

it('a destination table that is dropped, changed or created during the load is a clear error, and nothing is published', async () => {
  await table('target')
  const cases: [string, string, RegExp][] = [
    ['DROP TABLE target SYNC', 'missing', /removed meanwhile/],
    ['CREATE TABLE target (id Int32) ENGINE = MergeTree ORDER BY id', 'schema-conflict', /created by somebody else meanwhile/],
    ['ALTER TABLE target ADD COLUMN more String', 'schema-conflict', /structure of the table was changed meanwhile/],
  ]
  for (const [sql, tag, cause] of cases) {
    const loading = await started('target')
    await here.clickhouse(sql)
    const after = (await destinationState(here.bench)).filter((one) => !one.table.startsWith('_sluice_'))
    expectRefused(await loading.answer, {
      status: 422,
      tag: tag as 'missing',
      side: 'destination',
      cause,
      place: ['target'],
      remedy: /Nothing was published. Start the load again/,
    })
    expect(await destinationState(here.bench)).toEqual(after)
  }
})

it('rows that somebody else inserts into the destination during appends are never lost: they are in the table, or kept aside and said', async () => {
  await table('shared')
  let inserting = true
  const taken: number[] = []
  const inserts = (async () => {
    for (let id = -1; inserting; id--) {
      // An insert that meets the swap itself is refused by ClickHouse: its writer knows, and would try again.
      await here.clickhouse(`INSERT INTO shared VALUES (${id}, 0, 'theirs')`).then(
        () => taken.push(id),
        (error) => expect(String(error)).toMatch(/TABLE_UUID_MISMATCH|UNKNOWN_TABLE/),
      )
    }
  })()
  const answers = []
  for (let round = 0; round < 3; round++)
    answers.push(await here.ingest({ source_table_name: 'shared', write_disposition_config: { type: 'append' } }))
  inserting = false
  await inserts
  const kept = (await here.bench.tables()).filter((table) => table.startsWith('_sluice_kept_'))
  expect((await here.bench.tables()).filter((table) => table.startsWith('_sluice_') && !kept.includes(table))).toEqual([])
  const refused = answers.filter(({ status }) => status !== 200)
  for (const answer of refused) {
    expectRefused(answer, {
      status: 409,
      tag: 'foreign-write',
      side: 'destination',
      cause: /Somebody else wrote into the table/,
      place: ['shared'],
      remedy: /_sluice_kept_.*INSERT INTO/,
    })
  }
  expect(kept.length).toBe(refused.length)
  expect(taken.length).toBeGreaterThan(10)
  const everywhere = ['shared', ...kept].map((table) => `SELECT id FROM \`${table}\` WHERE body = 'theirs'`).join(' UNION ALL ')
  const found = await here.bench.destination<{ id: number }>(`SELECT DISTINCT id FROM (${everywhere})`)
  expect(found.map(({ id }) => id)).toEqual(expect.arrayContaining(taken))
  expect(
    await here.bench.destination(
      "SELECT toString(count()) AS n, toString(uniqExact(id)) AS d FROM shared WHERE body NOT IN ('theirs', 'old')",
    ),
  ).toEqual([{ n: String(3 * ROWS), d: String(ROWS) }])
})
