import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Payload } from '../../../src/core/payload.ts'
import { nodeIo } from '../../support/node-io.ts'
import { ClickHouseServer } from '../../support/servers/clickhouse.ts'
import { freePort } from '../../support/servers/ports.ts'
import { each, faultFrom, field, loadId, MemoryJournal, open, payloadOf, Server, stage, TSV, target } from './loading.ts'

const server = new Server(inject('clickhouse').url)
let database = ''
beforeAll(async () => {
  database = await server.database()
})
const FIELDS = [field('id', 'int', false), field('name', 'string')]

/** A payload that goes on until it is cancelled; `bad` puts one broken row at the start. */
function endless(bad: boolean): Payload & { sentBytes: () => number; cancelled: () => boolean } {
  const line = new TextEncoder().encode('1\tsome text that fills the row up a little\n'.repeat(1500))
  let sent = 0
  let cancelled = false
  let settle: (error?: Error) => void = () => {}
  const completed = new Promise<{ bytes: number }>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve({ bytes: sent }))
  })
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (cancelled) return controller.close()
      const bytes = bad && sent === 0 ? new TextEncoder().encode('broken\tx\n') : line
      sent += bytes.length
      controller.enqueue(bytes)
      await new Promise((resolve) => setTimeout(resolve, 1))
    },
    cancel: () => settle(new Error('nobody reads')),
  })
  return {
    via: 'bytes',
    format: TSV,
    body,
    completed,
    sentBytes: () => sent,
    cancelled: () => cancelled,
    cancel() {
      cancelled = true
      settle(new Error('cancelled'))
    },
  }
}

const running = () => server.lines(`SELECT query_id FROM system.processes WHERE query LIKE 'INSERT INTO \`${database}\`%'`)

test('a bad row at the start stops an endless chunk early, with the text of ClickHouse', async () => {
  const destination = open(server.url, { database })
  const prepared = await destination.prepare(await destination.plan(target('early', FIELDS)), loadId())
  const payload = endless(true)
  const fault = await faultFrom(destination.write(prepared, { chunkId: 'c0', attemptId: 'a0' }, payload, () => {}))
  expect(fault).toMatchObject({ tag: 'bad-data', code: '27', place: { column: 'id', record: 1 } })
  expect(payload.cancelled()).toBe(true)
  await destination.abort(prepared)
})

test('a cancel stops the insert at the server and cancels the source', async () => {
  const io = nodeIo()
  const destination = open(server.url, { database, io })
  const prepared = await destination.prepare(await destination.plan(target('cancelled', FIELDS)), loadId())
  const payload = endless(false)
  const writing = faultFrom(destination.write(prepared, { chunkId: 'c0', attemptId: 'a0' }, payload, () => {}))
  while (payload.sentBytes() < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 5))
  io.abort()
  expect(await writing).toEqual({ tag: 'cancelled' })
  expect(payload.cancelled()).toBe(true)
  await expect.poll(running, { timeout: 20_000 }).toEqual([])
  await open(server.url, { database }).abort(prepared)
  expect(await server.leftovers(database)).toEqual([])
})

test('a source that fails stops the insert and gives its own cause', async () => {
  const destination = open(server.url, { database })
  const prepared = await destination.prepare(await destination.plan(target('sourcefails', FIELDS)), loadId())
  const whole = payloadOf('1\ta\n')
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('1\ta\n'))
    },
  })
  const failing = { ...whole, via: 'bytes' as const, format: TSV, body, completed: Promise.reject(new Error('the source broke')) }
  await expect(destination.write(prepared, { chunkId: 'c0', attemptId: 'a0' }, failing, () => {})).rejects.toThrow('the source broke')
  await expect.poll(running, { timeout: 20_000 }).toEqual([])
  await destination.abort(prepared)
})

test('rows that the source counted and ClickHouse did not write are a mismatch', async () => {
  const destination = open(server.url, { database })
  const prepared = await destination.prepare(await destination.plan(target('counted', FIELDS)), loadId())
  expect(
    await faultFrom(destination.write(prepared, { chunkId: 'c0', attemptId: 'a0' }, payloadOf('1\ta\n', TSV, 2), () => {})),
  ).toMatchObject({ tag: 'mismatch' })
  await destination.abort(prepared)
})

test('a stage that lost its rows is never published', async () => {
  const destination = open(server.url, { database })
  const { prepared, receipts } = await stage(destination, target('lost', FIELDS), ['1\ta\n2\tb\n'])
  await server.query(`TRUNCATE TABLE ${database}.${String(receipts.map(({ staged }) => (staged as { table: string }).table))}`)
  expect(await faultFrom(destination.commit(prepared, each(receipts), new MemoryJournal()))).toMatchObject({ tag: 'mismatch' })
  expect(await server.query(`EXISTS TABLE ${database}.lost`)).toBe('0')
  await destination.abort(prepared)
})

describe('connections', () => {
  test('F32: a wrong password is denied, and no message has it', async () => {
    const fault = await faultFrom(open(server.url, { database, password: 'not-the-password' }).check())
    expect(fault).toMatchObject({ tag: 'denied', code: '516' })
    expect(JSON.stringify(fault)).not.toContain('not-the-password')
  })

  test('nothing listening is unreachable, with the address', async () => {
    const port = await freePort()
    const fault = await faultFrom(open(`http://127.0.0.1:${port}`, { database }).check())
    expect(fault).toMatchObject({ tag: 'unreachable', place: { address: `http://127.0.0.1:${port}` } })
    expect(fault.remedy).toContain('http_port')
  })

  test('a peer that hangs up is unreachable', async () => {
    const rude = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => rude.listen(0, '127.0.0.1', resolve))
    afterAll(() => void rude.close())
    const address = rude.address()
    const port = address && typeof address === 'object' ? address.port : 0
    expect(await faultFrom(open(`http://127.0.0.1:${port}`, { database }).check())).toMatchObject({ tag: 'unreachable' })
  })

  test('a user who may only read is denied, with the rights that are needed', async () => {
    const own = await ClickHouseServer.start({ users: [{ name: 'reader', password: 'pass-word', profile: 'readonly' }] })
    try {
      const fault = await faultFrom(stage(open(own.url, { database: 'default', user: 'reader' }), target('t', FIELDS), ['1\ta\n']))
      expect(fault).toMatchObject({ tag: 'denied', remedy: expect.stringContaining('ALTER DELETE') })
    } finally {
      await own.stop()
    }
  })
})
