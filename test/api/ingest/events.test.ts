import { describe, expect, test } from 'vitest'
import { receipt } from '../../../src/api/ingest/answer-schemas.ts'
import { IngestError } from '../../../src/core/errors.ts'
import { type Harness, harness, validBody } from '../harness.ts'

const SLOW = validBody({ resources: [{ source_table_name: 'slow' }] })
const PATH = '/ingest/executions/execution1/events'

interface Event {
  event: string
  id?: string
  data: string
}

function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event:'))
    .map(
      (block) =>
        Object.fromEntries(
          block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        ) as unknown as Event,
    )
}

async function started(): Promise<Harness> {
  const app = harness()
  await app.send('POST', '/ingest', SLOW, { prefer: 'respond-async' })
  return app
}

describe('the events of an execution', () => {
  test('progress about once a second, then the receipt', async () => {
    const { send, clock } = await started()
    const answer = await send('GET', PATH)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    const events = eventsOf(answer.text)
    expect(events.map(({ event }) => event)).toEqual(['progress', 'progress', 'progress', 'end'])
    expect(events.slice(0, 3).map(({ data }) => JSON.parse(data))).toMatchObject(
      [0, 1, 2].map((rows) => ({
        execution_id: 'execution1',
        status: 'processing',
        resources: [{ rows, bytes: rows * 14, bytes_per_second: 42, chunks_done: 0, chunks_total: 1, eta_seconds: 3 - rows }],
      })),
    )
    expect(clock.slept.reduce((a, b) => a + b)).toBe(2000)
    expect(receipt.safeParse(JSON.parse(events[3]?.data ?? '')).error).toBeUndefined()
    expect(events[3]?.id).toBe('end')
  })

  test('who reconnects goes on where the execution is; who has the end already is told to stop', async () => {
    const { send } = await started()
    await send('GET', PATH)
    expect(eventsOf((await send('GET', PATH)).text).map(({ event }) => event)).toEqual(['end'])
    expect((await send('GET', PATH, undefined, { 'last-event-id': 'end' })).status).toBe(204)
  })

  test('nothing new is a heartbeat, and a very long connection is closed for the client to come back', async () => {
    const { send, operations, clock } = await started()
    operations.waitForExecution = async (caller, id) => await operations.describeExecution(caller, id)
    const { text } = await send('GET', PATH)
    expect(eventsOf(text).map(({ event }) => event)).toEqual(['progress'])
    const heartbeats = text.split('\n\n').filter((block) => block === ': heartbeat').length
    const openSeconds = clock.slept.reduce((a, b) => a + b) / 1000
    expect(openSeconds).toBeGreaterThan(60)
    expect(heartbeats).toBe(openSeconds - 1)
  })

  test('a client that leaves ends the polling', async () => {
    const { fetch, operations } = await started()
    operations.waitForExecution = async (caller, id) => {
      operations.polls++
      return await operations.describeExecution(caller, id)
    }
    const client = new AbortController()
    const response = await fetch(new Request(`http://localhost${PATH}`, { signal: client.signal }))
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await reader.read()
    expect(operations.polls).toBe(0)
    await reader.cancel()
    await new Promise((resolve) => setImmediate(resolve))
    expect(operations.polls).toBeLessThan(2)
  })

  test('an aborted request ends the stream', async () => {
    const { fetch, operations } = await started()
    operations.waitForExecution = async (caller, id) => await operations.describeExecution(caller, id)
    const client = new AbortController()
    const response = await fetch(new Request(`http://localhost${PATH}`, { signal: client.signal }))
    client.abort()
    expect(eventsOf(await response.text())).toEqual([])
  })

  test('a failure under way is told as an event, without its secrets', async () => {
    const { send, operations } = await started()
    operations.waitErrors = [new IngestError({ tag: 'overloaded', retryAfterSeconds: 3 })]
    expect(eventsOf((await send('GET', PATH)).text).at(-1)).toMatchObject({
      event: 'fault',
      data: JSON.stringify({ status: 'error', message: 'Too much is under way; try again in 3 s.' }),
    })
  })
})
