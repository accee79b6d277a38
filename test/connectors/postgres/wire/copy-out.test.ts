import { describe, expect, test } from 'vitest'
import { postgresConfig } from '../../../../src/connectors/postgres/config.ts'
import { type CopyOptions, copyOut } from '../../../../src/connectors/postgres/wire/copy-out.ts'
import type { ByteSocket, Io } from '../../../../src/core/connector.ts'
import { faultOf } from '../../../../src/core/errors.ts'
import { nodeIo } from '../../../support/node-io.ts'

const text = new TextEncoder()
const config = postgresConfig.parse({ host: 'h', database: 'd', user: 'u', password: 'p', sslmode: 'disable' })

function message(type: string, body: Uint8Array | string = ''): Uint8Array {
  const bytes = typeof body === 'string' ? text.encode(body) : body
  const whole = new Uint8Array(5 + bytes.length)
  whole[0] = type.charCodeAt(0)
  new DataView(whole.buffer).setUint32(1, bytes.length + 4)
  whole.set(bytes, 5)
  return whole
}

const join = (parts: Uint8Array[]) => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const READY = message('Z', 'I')
const GREETING = join([
  message('R', new Uint8Array(4)),
  message('S', 'a\0b\0'),
  message('K', new Uint8Array([0, 0, 0, 7, 1, 2, 3, 4])),
  READY,
])
const PREPARED = join([
  message('C', 'BEGIN\0'),
  message('D', new Uint8Array([0, 1, 0, 0, 0, 2, 52, 50])),
  message('C', 'SELECT 1\0'),
  READY,
])
const ACCEPTED = message('H', new Uint8Array(3))
const data = (row: string) => message('d', row)
const done = (rows: number) => join([message('c'), message('C', `COPY ${rows}\0`), READY, message('C', 'ROLLBACK\0')])
const filler = (bytes: number) => join([message('D', 'x'.repeat(bytes)), message('C', 'SELECT 1\0'), READY])
const failure = (code: string) => join([message('E', `SERROR\0VERROR\0C${code}\0Mdivision by zero\0\0`), READY])

/** A socket that has said everything already; `more` decides how many bytes beyond the least each read gets. */
function saying(
  bytes: Uint8Array,
  ends: boolean,
  more: (min: number) => number = () => 0,
): ByteSocket & { closed: boolean; written: number } {
  let at = 0
  return {
    closed: false,
    written: 0,
    async readAtLeast(min, buffer) {
      const { length } = buffer
      const own = new Uint8Array(structuredClone(buffer.buffer, { transfer: [buffer.buffer as ArrayBuffer] }), 0, length)
      const left = bytes.length - at
      if (left < min && !ends) await new Promise(() => {})
      const take = Math.min(length, left, min + more(min))
      own.set(bytes.subarray(at, at + take))
      at += take
      return { done: take === 0, value: own.subarray(0, take) }
    },
    async write(written) {
      this.written += written.length
    },
    async startTls() {
      throw new Error('not here')
    },
    close() {
      this.closed = true
    },
  }
}

function ioWith(...sockets: ByteSocket[]): Io & { abort(): void; opened: number } {
  const io = nodeIo()
  return {
    ...io,
    signal: io.signal,
    abort: io.abort,
    opened: 0,
    async connect() {
      const socket = sockets[this.opened++]
      if (!socket) throw new Error('no more connections')
      return socket
    },
  }
}

const statements = { prepare: 'x', accept: () => {}, copy: 'COPY' }
const start = (io: Io, options: Partial<CopyOptions> = {}) => copyOut(config, io, statements, { resource: 't', ...options })

async function collect(body: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let all = ''
  for await (const bytes of body) all += decoder.decode(bytes, { stream: true })
  return all
}

describe('reading COPY from a socket that cuts anywhere', () => {
  const rows = ['1\ta\n', '', `2\t${'ö'.repeat(30)}\n`, '\\N\t\\\\\n']
  const stream = (half: number) =>
    join([
      GREETING,
      PREPARED,
      ACCEPTED,
      data('1\ta\n'),
      message('S', 'x\0y\0'),
      data(''),
      data(rows[2] ?? ''),
      data('\\N\t\\\\\n'),
      done(3),
      filler(half),
    ])

  test('gives the same bytes for every size of buffer, and ends without an end of file', async () => {
    for (let bufferBytes = 2; bufferBytes <= 300; bufferBytes++) {
      const payload = await start(ioWith(saying(stream(bufferBytes >> 1), false)), { bufferBytes })
      expect(await collect(payload.body)).toBe(rows.join(''))
      expect(await payload.completed).toEqual({ rows: 3, bytes: text.encode(rows.join('')).length })
    }
  })

  test('gives the same bytes when reads return as much as fits, or any number between', async () => {
    let seed = 42
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
      return seed % below
    }
    for (let round = 0; round < 200; round++) {
      const bufferBytes = 2 + random(100)
      const payload = await start(ioWith(saying(stream(bufferBytes >> 1), false, round % 2 ? () => 1e9 : () => random(50))), {
        bufferBytes,
      })
      expect(await collect(payload.body)).toBe(rows.join(''))
    }
  })

  test('a row larger than the buffer passes through in pieces', async () => {
    const row = `${'0123456789'.repeat(100_000)}\n`
    const payload = await start(ioWith(saying(join([GREETING, PREPARED, ACCEPTED, data(row), done(1), filler(512)]), false)), {
      bufferBytes: 1024,
    })
    let largest = 0
    let bytes = 0
    for await (const piece of payload.body) {
      largest = Math.max(largest, piece.length)
      bytes += piece.length
    }
    expect(bytes).toBe(row.length)
    expect(largest).toBeLessThanOrEqual(1024)
  })
})

describe('a COPY that does not end well', () => {
  const beginning = [GREETING, PREPARED, ACCEPTED, data('1\n'), data('2\n')]

  test('an end of data without the command tag is not success', async () => {
    const socket = saying(join(beginning), true)
    const payload = await start(ioWith(socket), { bufferBytes: 64 })
    await expect(collect(payload.body)).rejects.toThrow()
    expect(await payload.completed.catch(faultOf)).toMatchObject({
      tag: 'unreachable',
      place: { side: 'source', system: 'postgres', address: 'h:5432', resource: 't' },
    })
    expect(socket.closed).toBe(true)
  })

  test('an error of the server in the middle arrives whole, with its SQLSTATE', async () => {
    const payload = await start(ioWith(saying(join([...beginning, failure('22012'), filler(32)]), false)), { bufferBytes: 64 })
    await expect(collect(payload.body)).rejects.toThrow()
    expect(await payload.completed.catch(faultOf)).toMatchObject({ tag: 'bad-data', code: '22012', message: 'division by zero' })
  })

  test('an error of the COPY statement is thrown before there is a payload', async () => {
    await expect(start(ioWith(saying(join([GREETING, PREPARED, failure('42P01')]), false)))).rejects.toMatchObject({
      fault: { tag: 'missing', code: '42P01' },
    })
  })

  test('what is no Postgres server is told so', async () => {
    await expect(start(ioWith(saying(text.encode('HTTP/1.1 400 Bad Request\r\n\r\n'), true)))).rejects.toMatchObject({
      fault: { tag: 'unreachable', message: expect.stringContaining('does not speak') },
    })
  })

  test('a server that falls silent is asked about over another connection, and given up when it has no answer', async () => {
    let asked = 0
    const payload = await start(ioWith(saying(join(beginning), false)), {
      idleTimeoutMs: 20,
      async isWorking() {
        asked++
        return asked < 3
      },
    })
    const collected = collect(payload.body).catch(faultOf)
    expect(await payload.completed.catch(faultOf)).toMatchObject({ tag: 'unreachable', code: 'idle' })
    expect(await collected).toMatchObject({ tag: 'unreachable' })
    expect(asked).toBe(3)
  })

  test('a question that is never answered counts as no', async () => {
    const payload = await start(ioWith(saying(join(beginning), false)), { idleTimeoutMs: 20, isWorking: () => new Promise(() => {}) })
    void collect(payload.body).catch(() => {})
    expect(await payload.completed.catch(faultOf)).toMatchObject({ tag: 'unreachable', code: 'idle' })
  })

  test.each(['cancel', 'abort', 'reader'] as const)('is stopped by %s: cancel request sent, sockets closed', async (how) => {
    const socket = saying(join(beginning), false)
    const second = saying(new Uint8Array(0), true)
    const io = ioWith(socket, second)
    const payload = await start(io)
    const reader = payload.body.getReader()
    if (how === 'cancel') payload.cancel()
    if (how === 'abort') io.abort()
    if (how === 'reader') await reader.cancel()
    expect(await payload.completed.catch(faultOf)).toEqual({ tag: 'cancelled' })
    payload.cancel()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(socket.closed).toBe(true)
    expect(io.opened).toBe(2)
    expect(second).toMatchObject({ written: 16, closed: true })
  })

  test('nothing is opened once the signal was aborted', async () => {
    const io = ioWith(saying(new Uint8Array(0), false))
    io.abort()
    await expect(start(io)).rejects.toMatchObject({ fault: { tag: 'cancelled' } })
    expect(io.opened).toBe(0)
  })
})
