import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { EXECUTIONS_PER_SOURCE, TASKS_PER_SOURCE } from '../../src/limits.ts'
import { eventually } from '../support/servers/ports.ts'
import { PostgresServer } from '../support/servers/postgres.ts'
import { destinationState, refusedAndAsBefore } from './refused.ts'
import { type Rig, rig } from './rig.ts'

const ROWS = 30_000
const PASSWORD = 'canary-role-Pm4'

let here: Rig
const roles: string[] = []
const sessions: pg.Client[] = []
beforeAll(async () => {
  here = await rig('postgres_faults', { IDLE_TIMEOUT_MS: '4000' })
  await here.bench.source(`CREATE TABLE items (id int PRIMARY KEY, body text NOT NULL);
    INSERT INTO items SELECT g, repeat(md5(g::text), 3) FROM generate_series(1, ${ROWS}) g; ANALYZE items;
    CREATE TABLE medium AS SELECT * FROM items WHERE id <= 8000; ANALYZE medium;
    CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 100);
    CREATE VIEW slow AS SELECT g AS id, pg_sleep(0.01)::text AS nothing FROM generate_series(1, 250) g`)
})
afterAll(async () => {
  await Promise.all(sessions.map((session) => session.end().catch(() => {})))
  await here.bench.source(`DROP OWNED BY ${roles.join(', ')}`)
  for (const role of roles) await here.bench.source(`DROP ROLE ${role}`)
  await here.close()
})

const exact = [{ n: String(ROWS), distinct: String(ROWS), s: String((ROWS * (ROWS + 1)) / 2) }]
const content = () =>
  here.bench.destination('SELECT toString(count()) AS n, toString(uniqExact(id)) AS distinct, toString(sum(id)) AS s FROM items')

async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: here.bench.sourceUri })
  client.on('error', () => {})
  await client.connect()
  sessions.push(client)
  return client
}

/** @returns the URI of a new role, straight to the server */
async function asRole(name: string, clause: string, over = ''): Promise<{ source_uri: string }> {
  const role = `${name}_${here.bench.postgres}`
  roles.push(role)
  await here.bench.source(
    `CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}' ${clause}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
  )
  return {
    source_uri: `postgresql://${role}:${PASSWORD}@127.0.0.1:${inject('postgres').port}/${here.bench.postgres}?sslmode=disable${over}`,
  }
}

const ours = (what: string) => `FROM pg_stat_activity WHERE application_name = 'sluice' AND datname = current_database() AND ${what}`

it('pg_terminate_backend in the middle of a copy: it heals, and every row is there once', async () => {
  const loading = here.ingest({ source_table_name: 'slow' })
  await eventually('a copy', 30_000, async () => {
    const [row] = await here.bench.source<{ n: number }>(
      `SELECT count(*)::int AS n FROM (SELECT pg_terminate_backend(pid) ${ours("query LIKE 'COPY%' AND query_start < now() - interval '0.3 s'")}) t`,
    )
    return row && row.n > 0 ? true : undefined
  })
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await here.bench.destination('SELECT toString(count()) AS n, toString(uniqExact(id)) AS d FROM slow')).toEqual([
    { n: '250', d: '250' },
  ])
  expect(answer.body.receipt.healing).toEqual([
    expect.objectContaining({ rule: 'retry', cause: expect.objectContaining({ tag: 'unreachable' }) }),
  ])
  expect(await here.bench.tables()).toEqual(['slow'])
})

it('the connection that holds the snapshot is terminated: the rest is read in a new one, and the receipt says mixed', async () => {
  here.toPostgres.weather = { downBytesPerSecond: 1_000_000 }
  const loading = here.ingest({ source_table_name: 'items' })
  await here.staged()
  await eventually('the holder of the snapshot', 10_000, async () => {
    const [row] = await here.bench.source<{ n: number }>(
      `SELECT count(*)::int AS n FROM (SELECT pg_terminate_backend(pid) ${ours("query LIKE '%pg_export_snapshot%' AND state = 'idle in transaction'")}) t`,
    )
    return row && row.n > 0 ? true : undefined
  })
  here.toPostgres.weather = {}
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(answer.body.receipt.resources[0]).toMatchObject({ consistency: 'mixed', rows: { read: ROWS, delivered: ROWS, found: ROWS } })
  expect(answer.body.receipt.healing.map(({ rule }: { rule: string }) => rule)).toContain('new-snapshot')
  expect(await content()).toEqual(exact)
})

it('a table that somebody holds locked is waited for', async () => {
  const holder = await session()
  await holder.query('BEGIN; LOCK TABLE small IN ACCESS EXCLUSIVE MODE')
  const loading = here.ingest({ source_table_name: 'small' })
  await eventually('a waiting session', 30_000, async () => {
    const [row] = await here.bench.source<{ n: number }>(`SELECT count(*)::int AS n ${ours("wait_event_type = 'Lock'")}`)
    return row && row.n > 0 ? true : undefined
  })
  await holder.query('ROLLBACK')
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await here.bench.destination('SELECT toString(count()) AS n FROM small')).toEqual([{ n: '100' }])
})

it('a lock that is never given back is a clear failure after the lock_timeout of the role', async () => {
  const over = await asRole('impatient', '')
  await here.bench.source(`ALTER ROLE impatient_${here.bench.postgres} SET lock_timeout = '300ms'`)
  const holder = await session()
  await holder.query('BEGIN; LOCK TABLE small IN ACCESS EXCLUSIVE MODE')
  await refusedAndAsBefore(
    here.bench,
    () => here.ingest({ source_table_name: 'small' }, over),
    {
      status: 503,
      tag: 'throttled',
      side: 'source',
      cause: /lock timeout/,
      place: ['small'],
      remedy: /Another session holds a lock/,
      code: '55P03',
    },
    [PASSWORD],
  )
  await holder.query('ROLLBACK')
})

it('a statement_timeout of the role does not stop a load', async () => {
  const over = await asRole('hasty', '')
  await here.bench.source(`ALTER ROLE hasty_${here.bench.postgres} SET statement_timeout = '500ms'`)
  const answer = await here.ingest({ source_table_name: 'slow' }, over)
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await here.bench.destination('SELECT toString(count()) AS n FROM slow')).toEqual([{ n: '250' }])
})

it('no connection is left: it waits with fewer at once, heals when there is one again, and is a clear failure when not', async () => {
  const over = await asRole('crowded', 'CONNECTION LIMIT 3')
  const taken = await Promise.all(
    [1, 2, 3].map(async () => {
      const client = new pg.Client({ connectionString: over.source_uri })
      client.on('error', () => {})
      await client.connect()
      sessions.push(client)
      return client
    }),
  )
  await refusedAndAsBefore(
    here.bench,
    () => here.ingest({ source_table_name: 'items' }, over),
    {
      status: 503,
      tag: 'throttled',
      side: 'source',
      cause: /too many connections/,
      place: ['items'],
      remedy: /connection limit of the role/,
      code: '53300',
    },
    [PASSWORD],
  )
  const loading = here.ingest({ source_table_name: 'items' }, over)
  await eventually('the first refusal', 30_000, async () => {
    const page = await here.bench.get(`/ingest/postgres_faults/observe`)
    return page.body.status === 'processing' ? true : undefined
  })
  await Promise.all(taken.map((client) => client.end()))
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await content()).toEqual(exact)
})

it('a column and a table that may not be read are named', async () => {
  const over = await asRole('curious', '')
  await here.bench.source(`CREATE TABLE closed (id int, secret text); CREATE TABLE partly (id int, secret text);
    GRANT SELECT (id) ON partly TO curious_${here.bench.postgres}`)
  const refusal = { status: 422, tag: 'denied', side: 'source', remedy: /GRANT SELECT/, code: '42501' } as const
  await refusedAndAsBefore(
    here.bench,
    () => here.ingest({ source_table_name: 'closed' }, over),
    { ...refusal, cause: /may not read this table/, place: ['closed'] },
    [PASSWORD],
  )
  await refusedAndAsBefore(
    here.bench,
    () => here.ingest({ source_table_name: 'partly' }, over),
    { ...refusal, cause: /may not read column "secret"/, place: ['partly'] },
    [PASSWORD],
  )
  const answer = await here.ingest({ source_table_name: 'partly', column_rules: { exclude_columns: ['secret'] } }, over)
  expect(answer.status).toBe(200)
})

it('20 executions at once never hold more connections than the source is allowed', async () => {
  const limit = TASKS_PER_SOURCE + EXECUTIONS_PER_SOURCE
  const watcher = await session()
  let most = 0
  let watching = true
  const watch = (async () => {
    // What is there in three looks in a row is held; a session that has been left takes a moment to end.
    let looks: Set<number>[] = []
    while (watching) {
      const { rows } = await watcher.query<{ pid: number }>(`SELECT pid ${ours('true')}`)
      looks = [...looks.slice(-2), new Set(rows.map(({ pid }) => pid))]
      const held = [...(looks[0] ?? [])].filter((pid) => looks.every((look) => look.has(pid)))
      if (looks.length === 3) most = Math.max(most, held.length)
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
  })()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      here.ingest({ source_table_name: 'medium', destination_table_name: `medium_${at}` }, { identity: `many_${at}` }),
    ),
  )
  watching = false
  await watch
  expect(answers.map(({ status, body }) => [status, body.receipt.resources[0].rows.found])).toEqual(Array(20).fill([200, 8000]))
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(limit)
})

it('a Postgres that is stopped in the middle of a copy (SIGSTOP) is noticed, and the load heals when it goes on', async () => {
  const server = await PostgresServer.start()
  try {
    await server.query('CREATE VIEW slow AS SELECT g AS id, pg_sleep(0.01)::text AS nothing FROM generate_series(1, 300) g')
    const started = await here.bench.ingest(
      {
        identity: 'stopped',
        ...here.uris,
        source_uri: server.uri('postgres', '?connect_timeout=2&sslmode=disable'),
        resources: [{ source_table_name: 'slow' }],
      },
      { headers: { prefer: 'respond-async' } },
    )
    const status = new URL(started.body.status_url).pathname
    const stopped = await eventually('a copy', 30_000, async () => {
      const rows = await server.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY%' AND application_name = 'sluice'",
      )
      return rows[0] && server.pid ? [server.pid, rows[0].pid] : undefined
    })
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    try {
      await eventually('a healing action', 60_000, async () =>
        (await here.bench.get(status)).body.receipt.healing.length > 0 ? true : undefined,
      )
    } finally {
      for (const pid of stopped) process.kill(pid, 'SIGCONT')
    }
    const ended = await eventually('the end', 60_000, async () => {
      const { body } = await here.bench.get(status)
      return body.status === 'processing' ? undefined : body
    })
    expect([ended.status, ended.message]).toEqual(['success', expect.any(String)])
    expect(ended.receipt.healing[0]).toMatchObject({
      rule: 'retry',
      cause: { tag: 'unreachable', message: expect.stringMatching(/sent nothing for/) },
    })
    expect(await here.bench.destination('SELECT toString(count()) AS n, toString(uniqExact(id)) AS d FROM slow')).toEqual([
      { n: '300', d: '300' },
    ])
  } finally {
    await server.stop()
  }
})

it('after all of this nothing is staged, and no session of ours is left', async () => {
  expect((await destinationState(here.bench)).filter(({ table }) => table.startsWith('_sluice_'))).toEqual([])
  await eventually('the end of all sessions', 30_000, async () => {
    const [row] = await here.bench.source<{ n: number }>(`SELECT count(*)::int AS n ${ours('true')}`)
    return row?.n === 0 ? true : undefined
  })
})
