import { chmod, chown, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodeIo } from '../../support/node-io.ts'
import { PostgresServer } from '../../support/servers/postgres.ts'
import { chunksOf, Database, faultFrom, open, request, textOf } from './support.ts'

const tls = (name: string): Promise<string> => readFile(join(import.meta.dirname, 'tls', name), { encoding: 'utf8' })
const UNICODE = 'pä\u00a0ß Ⅸ "\''

let server: PostgresServer
let database: Database
beforeAll(async () => {
  server = await PostgresServer.start()
  database = await Database.create(server, 'auth')
  const data = join(server.dataDir, 'db')
  const { uid, gid } = await stat(data)
  for (const name of ['server.pem', 'server.key']) {
    const path = join(data, name)
    await writeFile(path, await tls(name))
    await chmod(path, 0o600)
    await chown(path, uid, gid)
  }
  const lines = [
    'host all u_clear all password',
    'host all u_md5 all md5',
    'hostssl all u_tls all scram-sha-256',
    'hostnossl all u_tls all reject',
    'host all u_trust all trust',
    'host all u_barred all reject',
    'host all all all scram-sha-256',
  ]
  await writeFile(join(data, 'pg_hba.conf'), lines.join('\n'))
  for (const statement of [
    "SET password_encryption = 'md5'; CREATE ROLE u_md5 LOGIN PASSWORD 'secret-md5'",
    `SET password_encryption = 'scram-sha-256'; CREATE ROLE u_clear LOGIN PASSWORD 'secret-clear'; CREATE ROLE u_scram LOGIN PASSWORD 'secret-scram'; CREATE ROLE u_tls LOGIN PASSWORD 'secret-tls';
     CREATE ROLE u_trust LOGIN; CREATE ROLE u_barred LOGIN PASSWORD 'x'; CREATE ROLE u_unicode LOGIN PASSWORD '${UNICODE.replaceAll("'", "''")}'`,
    "SET scram_iterations = 100001; CREATE ROLE u_slow LOGIN PASSWORD 'secret-slow'",
  ]) {
    await database.run(statement)
  }
  for (const [name, value] of [
    ['ssl', 'on'],
    ['ssl_cert_file', 'server.pem'],
    ['ssl_key_file', 'server.key'],
  ])
    await database.run(`ALTER SYSTEM SET ${name} = '${value}'`)
  await database.run('SELECT pg_reload_conf()')
})
afterAll(async () => {
  await server?.stop()
})

/** Through both clients: questions by the library, rows by our own. */
async function connect(settings: Record<string, unknown>, io = nodeIo()): Promise<number | undefined> {
  const source = database.source(settings, io)
  try {
    const description = await source.describe(request('pg_catalog.pg_am'))
    const [chunk] = await chunksOf(source, description)
    if (!chunk) throw new Error('no chunk')
    return (await textOf(await open(source, description, chunk))).rows
  } finally {
    await source.close()
  }
}

/** Our own client alone: what the library made of the first step is not asked again. */
async function copyAs(settings: Record<string, unknown>, io = nodeIo()) {
  const described = database.source()
  const description = await described.describe(request('pg_catalog.pg_am'))
  const [chunk] = await chunksOf(described, description)
  await described.close()
  if (!chunk) throw new Error('no chunk')
  return await open(database.source(settings, io), description, chunk)
}

describe('authentication', () => {
  test.each([
    ['cleartext', 'u_clear', 'secret-clear'],
    ['MD5', 'u_md5', 'secret-md5'],
    ['SCRAM-SHA-256', 'u_scram', 'secret-scram'],
    ['SCRAM-SHA-256 with a password beyond ASCII', 'u_unicode', UNICODE],
    ['trust without a password', 'u_trust', ''],
  ])('%s', async (_, user, password) => {
    expect(await connect({ user, password })).toBeGreaterThan(1)
  })

  test.each(['u_clear', 'u_md5', 'u_scram', 'u_nobody'])(
    'a wrong password of %s is denied, by both clients, and never repeated (F32)',
    async (user) => {
      for (const attempt of [connect, copyAs]) {
        const fault = await faultFrom(attempt({ user, password: 'wr0ng-pass' }))
        expect(fault).toMatchObject({
          tag: 'denied',
          code: '28P01',
          place: { side: 'source', system: 'postgres' },
          remedy: expect.stringContaining('password'),
        })
        expect(JSON.stringify(fault)).not.toContain('wr0ng-pass')
      }
    },
  )

  test('no password where one is asked for is denied', async () => {
    for (const attempt of [connect, copyAs])
      expect(await faultFrom(attempt({ user: 'u_scram', password: '' }))).toMatchObject({
        tag: 'denied',
        remedy: expect.stringContaining('password'),
      })
  })

  test('a password of the environment is never used', async () => {
    process.env.PGPASSWORD = 'secret-scram'
    try {
      expect(await faultFrom(connect({ user: 'u_scram', password: '' }))).toMatchObject({ tag: 'denied' })
    } finally {
      delete process.env.PGPASSWORD
    }
  })

  test('pg_hba.conf’s refusal, an unknown database and too many SCRAM rounds are told apart', async () => {
    for (const attempt of [connect, copyAs]) {
      expect(await faultFrom(attempt({ user: 'u_barred', password: 'x' }))).toMatchObject({ tag: 'denied', code: '28000' })
      expect(await faultFrom(attempt({ database: 'nowhere' }))).toMatchObject({
        tag: 'missing',
        code: '3D000',
        message: 'database "nowhere" does not exist',
      })
    }
    expect(await faultFrom(copyAs({ user: 'u_slow', password: 'secret-slow' }))).toMatchObject({
      tag: 'unsupported',
      remedy: expect.stringContaining('scram_iterations'),
    })
  })

  test('start-up options reach the server', async () => {
    expect(await faultFrom(connect({ options: '-c default_transaction_isolation=nonsense' }))).toMatchObject({ code: '22023' })
  })
})

describe('TLS', () => {
  const local = { host: 'localhost', user: 'u_tls', password: 'secret-tls' }

  test.each(['prefer', 'require', 'verify-full'])(
    '%s with a trusted certificate is encrypted, and cancels over TLS too',
    async (sslmode) => {
      const io = nodeIo({ ca: await tls('ca.pem') })
      expect(await connect({ ...local, sslmode }, io)).toBeGreaterThan(1)
      await database.run(
        'DROP TABLE IF EXISTS big; CREATE TABLE big AS SELECT i, repeat($$x$$, 1000) AS v FROM generate_series(1, 20000) i; GRANT SELECT ON big TO u_tls',
      )
      const source = database.source({ ...local, sslmode }, io)
      const description = await source.describe(request('big'))
      const [chunk] = await chunksOf(source, description)
      if (!chunk) throw new Error('no chunk')
      const payload = await open(source, description, chunk)
      payload.cancel()
      expect(await faultFrom(payload.completed)).toEqual({ tag: 'cancelled' })
      await source.close()
    },
  )

  test('a certificate nobody trusts is refused under require and verify-full, with what to do', async () => {
    for (const sslmode of ['require', 'verify-full']) {
      expect(await faultFrom(connect({ ...local, sslmode }))).toMatchObject({
        tag: 'rejected',
        code: 'tls',
        remedy: expect.stringContaining('self-signed'),
      })
    }
  })

  test('under prefer it falls back to plain text; where the server insists on TLS the message says what failed', async () => {
    expect(await connect({ host: 'localhost', user: 'u_scram', password: 'secret-scram', sslmode: 'prefer' })).toBeGreaterThan(1)
    const fault = await faultFrom(copyAs({ ...local, sslmode: 'prefer' }))
    expect(fault).toMatchObject({ tag: 'denied', code: '28000', message: expect.stringContaining('TLS was tried first and failed') })
  })

  test('a certificate of another name is refused', async () => {
    const io = nodeIo({ ca: await tls('ca.pem') })
    const renamed = {
      ...io,
      signal: io.signal,
      connect: (_: string, port: number, options: Parameters<typeof io.connect>[2]) => io.connect('127.0.0.1', port, options),
    }
    expect(await faultFrom(connect({ ...local, host: 'db.example', sslmode: 'verify-full' }, renamed))).toMatchObject({
      tag: 'rejected',
      code: 'tls',
    })
  })

  test('a server without TLS is refused under require and used under prefer', async () => {
    await database.run("ALTER SYSTEM SET ssl = 'off'")
    await database.run('SELECT pg_reload_conf(), pg_sleep(0.3)')
    const plain = { host: 'localhost', user: 'u_scram', password: 'secret-scram' }
    expect(await faultFrom(connect({ ...plain, sslmode: 'require' }))).toMatchObject({
      tag: 'rejected',
      code: 'tls',
      message: 'The server does not offer TLS',
    })
    expect(await connect({ ...plain, sslmode: 'prefer' })).toBeGreaterThan(1)
  })
})

test('a port where nobody listens is unreachable, and a peer that never answers is given up in time', async () => {
  expect(await faultFrom(database.source({ port: 1 }).check())).toMatchObject({
    tag: 'unreachable',
    place: { side: 'source', system: 'postgres', address: '127.0.0.1:1' },
  })
  const { createServer } = await import('node:net')
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await new Promise((resolve) => silent.once('listening', resolve))
  const address = silent.address()
  const port = typeof address === 'object' ? address?.port : undefined
  for (const sslmode of ['disable', 'prefer']) {
    expect(await faultFrom(database.source({ port, sslmode, connectTimeoutMs: 200 }).check())).toMatchObject({
      tag: 'unreachable',
      message: expect.stringContaining('200 ms'),
    })
    expect(await faultFrom(copyAs({ port, sslmode, connectTimeoutMs: 200 }))).toMatchObject({
      tag: 'unreachable',
      message: expect.stringContaining('200 ms'),
    })
  }
  silent.close()
})
