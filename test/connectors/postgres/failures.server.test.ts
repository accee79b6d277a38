import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { COPY_BUFFER_BYTES } from '../../../src/limits.ts'
import { nodeIo } from '../../support/node-io.ts'
import { PostgresServer } from '../../support/servers/postgres.ts'
import { chunksOf, Database, eventuallyTrue, faultFrom, open, request, textOf } from './support.ts'

let database: Database
beforeAll(async () => {
  database = await Database.create(inject('postgres'), 'pg_failures')
  await database.run(`CREATE TABLE big (id int, v text); INSERT INTO big SELECT i, repeat('x', 1000) FROM generate_series(1, 100000) i`)
})
afterAll(async () => {
  await database.run('DROP DATABASE pg_failures WITH (FORCE)', 'postgres')
})

/** Our COPY backends in this database, and what they wait for. */
const copies = (from = database) =>
  from.run(
    `SELECT pid, wait_event FROM pg_stat_activity WHERE datname = '${from.name}' AND query LIKE 'COPY%' AND state = 'active'`,
    'postgres',
  )

async function begin(from = database, table = 'big', io = nodeIo()) {
  const source = from.source({}, io)
  const description = await source.describe(request(table))
  const [chunk] = await chunksOf(source, description)
  if (!chunk) throw new Error('no chunk')
  const payload = await open(source, description, chunk)
  return { source, payload, reader: payload.body.getReader() }
}

describe('stopping', () => {
  test.each(['payload.cancel', 'io.signal', 'body.cancel'])('%s in the middle of a COPY ends the backend', async (how) => {
    const io = nodeIo()
    const { source, payload, reader } = await begin(database, 'big', io)
    await reader.read()
    await eventuallyTrue('the backend blocks in send', async () => (await copies()).some((row) => row.wait_event === 'ClientWrite'))
    if (how === 'payload.cancel') payload.cancel()
    if (how === 'io.signal') io.abort()
    if (how === 'body.cancel') await reader.cancel()
    expect(await faultFrom(payload.completed)).toEqual({ tag: 'cancelled' })
    await eventuallyTrue('no backend is left', async () => (await copies()).length === 0, 2000)
    payload.cancel()
    await source.close()
  })

  test('a query that is computing, not sending, is stopped too', async () => {
    await database.run('CREATE VIEW busy AS SELECT count(*) FROM big a, big b')
    const io = nodeIo()
    const source = database.source({}, io)
    const description = await source.describe(request('busy'))
    const [chunk] = await chunksOf(source, description)
    if (!chunk) throw new Error('no chunk')
    const opening = faultFrom(open(source, description, chunk))
    await eventuallyTrue('the backend computes', async () => (await copies()).length > 0)
    io.abort()
    expect(await opening).toEqual({ tag: 'cancelled' })
    await eventuallyTrue('no backend is left', async () => (await copies()).length === 0, 2000)
  })

  test('a long question of describe is stopped too', async () => {
    const io = nodeIo()
    const source = database.source({}, io)
    await database.run('CREATE VIEW endless AS SELECT a.id + b.id AS c FROM big a, big b')
    const describing = faultFrom(
      source.describe(request('endless', { cursor: { column: 'c', startInclusive: false, endInclusive: false } })),
    )
    const asking = () =>
      database.run(
        `SELECT 1 FROM pg_stat_activity WHERE datname = 'pg_failures' AND state = 'active' AND query LIKE '%endless%ORDER BY%'`,
        'postgres',
      )
    await eventuallyTrue('the question is asked', async () => (await asking()).length > 0)
    io.abort()
    expect(await describing).toEqual({ tag: 'cancelled' })
    await eventuallyTrue('nobody asks any more', async () => (await asking()).length === 0, 2000)
  })
})

describe('losing the server', () => {
  test('a backend that is terminated in the middle is unreachable, not the end of the data', async () => {
    const { source, payload, reader } = await begin()
    await reader.read()
    await eventuallyTrue('the backend blocks in send', async () => (await copies()).some((row) => row.wait_event === 'ClientWrite'))
    await database.run(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'pg_failures' AND query LIKE 'COPY%'`,
      'postgres',
    )
    const drained = (async () => {
      while (!(await reader.read()).done);
    })()
    await expect(drained).rejects.toThrow()
    expect(await faultFrom(payload.completed)).toMatchObject({
      tag: 'unreachable',
      place: { side: 'source', system: 'postgres', resource: 'big' },
    })
    await source.close()
  })

  test('a server that is killed in the middle is unreachable, and so is the next connection', async () => {
    const server = await PostgresServer.start()
    try {
      const own = await Database.create(server, 'killed')
      await own.run(`CREATE TABLE big (id int, v text); INSERT INTO big SELECT i, repeat('x', 1000) FROM generate_series(1, 50000) i`)
      const { source, payload, reader } = await begin(own)
      const snapshot = await source.holdSnapshot()
      await reader.read()
      await server.kill()
      const backends = faultFrom(payload.completed)
      const drained = (async () => {
        while (!(await reader.read()).done);
      })()
      await expect(drained).rejects.toThrow()
      expect(await backends).toMatchObject({ tag: 'unreachable' })
      expect(await faultFrom(snapshot.keepAlive())).toMatchObject({ tag: 'snapshot-lost' })
      await snapshot.release()
      expect(await faultFrom(source.check())).toMatchObject({ tag: 'unreachable', remedy: expect.stringContaining('the server runs') })
      await source.close()
    } finally {
      await server.stop()
    }
  })

  test('a value that cannot be computed fails with the SQLSTATE and its text', async () => {
    await database.run('CREATE VIEW broken AS SELECT 1 / (90000 - id) AS x, v FROM big')
    const { source, payload, reader } = await begin(database, 'broken')
    const drained = (async () => {
      while (!(await reader.read()).done);
    })()
    await expect(drained).rejects.toThrow()
    expect(await faultFrom(payload.completed)).toMatchObject({ tag: 'bad-data', code: '22012', message: 'division by zero' })
    await source.close()
  })

  test('too many connections are throttled', async () => {
    await database.run('ALTER DATABASE pg_failures CONNECTION LIMIT 0', 'postgres')
    await database.run('DROP ROLE IF EXISTS failures_user; CREATE ROLE failures_user LOGIN PASSWORD $$x$$')
    const source = database.source({ user: 'failures_user', password: 'x' })
    expect(await faultFrom(source.check())).toMatchObject({ tag: 'throttled', code: '53300' })
    await database.run('ALTER DATABASE pg_failures CONNECTION LIMIT -1; DROP ROLE failures_user', 'postgres')
  })
})

describe('losing the snapshot', () => {
  const setup = async () => {
    const source = database.source()
    const snapshot = await source.holdSnapshot()
    const description = await source.describe(request('big'))
    const [chunk] = await chunksOf(source, description)
    if (!chunk) throw new Error('no chunk')
    return { source, snapshot, description, chunk }
  }

  test('released, it cannot be joined any more', async () => {
    const { source, snapshot, description, chunk } = await setup()
    await snapshot.release()
    await snapshot.release()
    expect(await faultFrom(open(source, description, chunk, snapshot.token))).toMatchObject({ tag: 'snapshot-lost' })
    expect(await faultFrom(source.checksum(description, chunk, ['id'], { pseudonymSalt: '', snapshot: snapshot.token }))).toMatchObject({
      tag: 'snapshot-lost',
    })
    expect(await faultFrom(snapshot.keepAlive())).toMatchObject({ tag: 'snapshot-lost' })
    await source.close()
  })

  test('its session terminated, keepAlive and readers say so', async () => {
    const { source, snapshot, description, chunk } = await setup()
    await snapshot.keepAlive()
    await database.run(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'pg_failures' AND state = 'idle in transaction'`,
      'postgres',
    )
    await eventuallyTrue('it is gone', async () => (await faultFrom(snapshot.keepAlive())).tag === 'snapshot-lost')
    expect(await faultFrom(open(source, description, chunk, snapshot.token))).toMatchObject({ tag: 'snapshot-lost' })
    await snapshot.release()
    await source.close()
  })

  test.each([
    ['nonsense', { id: 'nonsense', serverStarted: '1' }],
    ['of another format', 'x'],
    ['never exported', { id: '00000FFF-00000FFF-1', serverStarted: '1' }],
  ])('a token that is %s is a lost snapshot', async (_, token) => {
    const { source, snapshot, description, chunk } = await setup()
    expect(await faultFrom(open(source, description, chunk, token))).toMatchObject({ tag: 'snapshot-lost' })
    await snapshot.release()
    await source.close()
  })

  test('an id of an earlier life of the server is not taken for a new one', async () => {
    const { source, snapshot, description, chunk } = await setup()
    const token = { ...(snapshot.token as { id: string }), serverStarted: '1' }
    expect(await faultFrom(open(source, description, chunk, token))).toMatchObject({
      tag: 'snapshot-lost',
      message: expect.stringContaining('started again'),
    })
    await snapshot.release()
    await source.close()
  })

  test('it outlives the timeouts of the role for idle transactions', async () => {
    await database.run(
      `ALTER DATABASE pg_failures SET idle_in_transaction_session_timeout = '100ms'; ALTER DATABASE pg_failures SET transaction_timeout = '150ms'; ALTER DATABASE pg_failures SET statement_timeout = '100ms'`,
      'postgres',
    )
    try {
      const { source, snapshot, description, chunk } = await setup()
      await new Promise((resolve) => setTimeout(resolve, 400))
      await snapshot.keepAlive()
      expect((await textOf(await open(source, description, chunk, snapshot.token))).rows).toBe(100_000)
      await snapshot.release()
      await source.close()
    } finally {
      await database.run('ALTER DATABASE pg_failures RESET ALL', 'postgres')
    }
  })
})

test('a slow reader holds the server back and memory flat', async () => {
  const { source, payload, reader } = await begin()
  await reader.read()
  await eventuallyTrue('the backend blocks in send', async () => (await copies()).some((row) => row.wait_event === 'ClientWrite'))
  const [held] = await copies()
  const before = process.memoryUsage().arrayBuffers
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * COPY_BUFFER_BYTES)
  expect((await copies())[0]).toEqual(held)
  payload.cancel()
  await source.close()
})
