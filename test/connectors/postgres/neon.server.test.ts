import { neonConfig } from '@neondatabase/serverless'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { isNeonHost } from '../../../src/connectors/postgres/queries.ts'
import { nodeIo } from '../../support/node-io.ts'
import { Database, faultFrom, readLines, request } from './support.ts'
import { websocketProxy } from './websocket-proxy.ts'

const HOST = 'ep-cool-name-123.eu-central-1.aws.neon.tech'
let database: Database
let proxy: Awaited<ReturnType<typeof websocketProxy>>
beforeAll(async () => {
  database = await Database.create(inject('postgres'), 'pg_neon')
  proxy = await websocketProxy(inject('postgres').port)
  neonConfig.wsProxy = () => `127.0.0.1:${proxy.port}/v2`
  neonConfig.useSecureWebSocket = false
  neonConfig.pipelineConnect = false
})
afterAll(async () => {
  proxy.close()
  await database.run('DROP DATABASE pg_neon WITH (FORCE)', 'postgres')
})

test('questions to a Neon host travel by WebSocket, rows by our own client', async () => {
  await database.run('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, i::text FROM generate_series(1, 1000) i')
  const asked: string[] = []
  const dialled: string[] = []
  const io = nodeIo()
  const mapped = {
    ...io,
    signal: io.signal,
    assertAllowed: (host: string, port: number) => void asked.push(`${host}:${port}`),
    connect(host: string, port: number, options: Parameters<typeof io.connect>[2]) {
      dialled.push(host)
      return io.connect('127.0.0.1', port, options)
    },
  }
  const source = database.source({ host: HOST }, mapped)
  await source.check()
  const snapshot = await source.holdSnapshot()
  const description = await source.describe(request('t'))
  await database.run('DELETE FROM t')
  expect(description.key).toEqual(['id'])
  expect(dialled).toEqual([])
  expect(proxy.connections()).toBe(2)
  expect(asked).toContain(`${HOST}:443`)
  expect(await readLines(source, description, 1 << 30, snapshot.token)).toHaveLength(1000)
  expect(dialled).toEqual([HOST])
  await snapshot.keepAlive()
  await snapshot.release()
  await source.close()
  const wrong = database.source({ host: HOST, password: 'wrong' }, mapped)
  expect(await faultFrom(wrong.check())).toMatchObject({
    tag: 'denied',
    code: '28P01',
    place: { address: `${HOST}:${inject('postgres').port}` },
  })
  await wrong.close()
})

test('an address that the operator does not allow is not asked', async () => {
  const io = nodeIo()
  const before = proxy.connections()
  const guarded = {
    ...io,
    signal: io.signal,
    assertAllowed() {
      throw new Error('not allowed')
    },
  }
  await expect(database.source({ host: HOST }, guarded).check()).rejects.toThrow('not allowed')
  expect(proxy.connections()).toBe(before)
})

test('only hosts below neon.tech are Neon’s', () => {
  expect(isNeonHost('ep-x.eu.aws.neon.tech')).toBe(true)
  expect(isNeonHost('neon.tech.example')).toBe(false)
  expect(isNeonHost('notneon.tech')).toBe(false)
})
