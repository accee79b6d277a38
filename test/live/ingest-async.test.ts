import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ingestAnswer, receipt as receiptShape } from '../../src/api/ingest/answer-schemas.ts'
import { eventually } from '../support/servers/ports.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench('async')
  await bench.source(`
    CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 200) g;
    CREATE VIEW trickle AS SELECT g AS id, repeat('x', 4000) || pg_sleep(0.02)::text AS filler FROM generate_series(1, 150) g`)
})
afterAll(() => bench.close())

const users = [{ source_table_name: 'users' }]

async function start(identity: string, source_table_name: string): Promise<string> {
  const answer = await bench.ingest({ identity, resources: [{ source_table_name }] }, { headers: { prefer: 'respond-async' } })
  expect(answer.status).toBe(202)
  return answer.body.execution_id
}

async function ended(id: string) {
  return await eventually(`the end of ${id}`, 60_000, async () => {
    const { body } = await bench.get(`/ingest/executions/${id}`)
    return body.status === 'processing' ? undefined : body
  })
}

interface ServerSentEvent {
  event: string
  id?: string
  data: Record<string, unknown>
}

/** Reads until the server ends the stream, or until `enough` says so. */
async function events(path: string, enough: (event: ServerSentEvent) => boolean = () => false): Promise<ServerSentEvent[]> {
  const response = await fetch(bench.url + path)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const found: ServerSentEvent[] = []
  let rest = ''
  const decoder = new TextDecoder()
  for await (const bytes of response.body ?? []) {
    const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const lines = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
      const [event, id, data] = [lines.get('event'), lines.get('id'), lines.get('data')]
      if (event === undefined || data === undefined) continue
      const read = { event, ...(id !== undefined && { id }), data: JSON.parse(data) as Record<string, unknown> }
      found.push(read)
      // Leaving the loop closes the connection.
      if (enough(read)) return found
    }
  }
  return found
}

it('Prefer: respond-async answers 202 at once, with the addresses to follow and stop the execution', async () => {
  const answer = await bench.ingest({ identity: 'later', resources: users }, { headers: { prefer: 'respond-async' } })
  expect(answer.status).toBe(202)
  const id = answer.body.execution_id
  expect(answer.headers.get('preference-applied')).toBe('respond-async')
  expect(answer.headers.get('location')).toBe(`${bench.url}/ingest/executions/${id}`)
  expect(answer.body).toMatchObject({
    status: 'processing',
    pipeline_name: 'later',
    status_url: `${bench.url}/ingest/executions/${id}`,
    events_url: `${bench.url}/ingest/executions/${id}/events`,
    chunks_url: `${bench.url}/ingest/executions/${id}/chunks`,
    cancel_url: `${bench.url}/ingest/executions/${id}/cancel`,
  })
  const body = await ended(id)
  ingestAnswer.parse(body)
  expect(body).toMatchObject({ status: 'success', execution_id: id, receipt: { resources: [{ rows: { found: 200 } }] } })
  expect(await bench.destination('SELECT count() AS n FROM users')).toEqual([{ n: 200 }])
  const { body: page } = await bench.get(`/ingest/executions/${id}/chunks`)
  expect(page).toMatchObject({ chunks: [{ source_table_name: 'users', attempts: 1, rows_read: 200, rows_delivered: 200 }], next: null })
})

it('Prefer: wait answers 202 when the load takes longer, and the load goes on', async () => {
  const answer = await bench.ingest(
    { identity: 'patience', resources: [{ source_table_name: 'trickle' }] },
    { headers: { prefer: 'respond-async, wait=1' } },
  )
  expect(answer.status).toBe(202)
  expect(await ended(answer.body.execution_id)).toMatchObject({ status: 'success' })
})

it('events: progress in order with bytes that never fall, then the receipt; reconnecting resumes and stops for good', async () => {
  const id = await start('events', 'trickle')
  const path = `/ingest/executions/${id}/events`
  // A first client leaves in the middle, a second one sees the rest.
  const early = await events(path, ({ data }) => JSON.stringify(data).includes('"copying"'))
  const late = await events(path)
  expect(early.every(({ event }) => event === 'progress')).toBe(true)
  expect(late.map(({ event }) => event)).toEqual([...late.slice(1).map(() => 'progress'), 'end'])
  const all = [...early, ...late.slice(0, -1)].map(({ data }) => (data.resources as { bytes: number; phase: string }[])[0])
  const bytes = all.map((resource) => resource?.bytes ?? 0)
  expect([...bytes].sort((a, b) => a - b)).toEqual(bytes)
  expect(Math.max(...bytes)).toBeGreaterThan(0)
  const order = ['pending', 'planning', 'copying', 'committing', 'done']
  const phases = all.map((resource) => order.indexOf(resource?.phase ?? ''))
  expect([...phases].sort((a, b) => a - b)).toEqual(phases)
  const end = late.at(-1)
  const final = receiptShape.parse(end?.data)
  expect(final).toMatchObject({ execution_id: id, status: 'success', resources: [{ rows: { found: 150 } }] })
  expect(end?.id).toBe('end')
  // A client that comes back by habit is told to stop; one that never saw the end is told it again.
  const habit = await fetch(bench.url + path, { headers: { 'last-event-id': 'end' } })
  expect(habit.status).toBe(204)
  expect((await events(path)).map(({ event, data }) => [event, data])).toEqual([['end', end?.data]])
})

it('events and status of an execution that does not exist are 404', async () => {
  for (const path of ['', '/events', '/chunks']) {
    const answer = await bench.get(`/ingest/executions/00000000000000000000${path}`)
    expect(answer).toMatchObject({ status: 404, body: { detail: "Execution '00000000000000000000' not found" } })
  }
})

it('an idempotency key gives the same execution again, whatever became of it, and refuses another body', async () => {
  const headers = { 'idempotency-key': 'once-and-only-once' }
  const append = [{ source_table_name: 'users', destination_table_name: 'once', write_disposition_config: { type: 'append' } }]
  const first = await bench.ingest({ identity: 'once', resources: append }, { headers })
  expect(first.body).toMatchObject({ status: 'success' })
  expect(first.headers.get('idempotent-replayed')).toBeNull()
  const second = await bench.ingest({ identity: 'once', resources: append }, { headers })
  expect(second.body).toEqual(first.body)
  expect(second.headers.get('idempotent-replayed')).toBe('true')
  const inBody = await bench.ingest({ identity: 'once', resources: append, idempotency_key: headers['idempotency-key'] })
  expect(inBody.body.execution_id).toBe(first.body.execution_id)
  expect(await bench.destination('SELECT count() AS n FROM once')).toEqual([{ n: 200 }])
  const other = await bench.ingest({ identity: 'once', resources: users }, { headers })
  expect(other.status).toBe(409)
  expect(other.body).toMatchObject({ status: 'error' })
  expect(await bench.destination('SELECT count() AS n FROM once')).toEqual([{ n: 200 }])
})

it('one idempotency key sent ten times at once starts one execution', async () => {
  const body = {
    identity: 'race',
    resources: [{ source_table_name: 'users', destination_table_name: 'raced', write_disposition_config: { type: 'append' } }],
  }
  const answers = await Promise.all(Array.from({ length: 10 }, () => bench.ingest(body, { headers: { 'idempotency-key': 'race' } })))
  expect(new Set(answers.map((answer) => answer.body.execution_id)).size).toBe(1)
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  expect(await bench.destination('SELECT count() AS n FROM raced')).toEqual([{ n: 200 }])
})

it('F1: curl, with the command of the documentation', async () => {
  const body = JSON.stringify({
    identity: 'curl',
    source_uri: bench.sourceUri,
    destination_uri: bench.destinationUri,
    resources: [{ source_table_name: 'users', destination_table_name: 'curled' }],
  })
  const args = ['-sS', '-X', 'POST', `${bench.url}/ingest`, '-H', 'Content-Type: application/json', '-w', '\n%{http_code}', '-d', body]
  const { stdout } = await promisify(execFile)('curl', args)
  const [answer, status] = stdout.split(/\n(?=\d+$)/)
  expect(status).toBe('200')
  expect(JSON.parse(answer ?? '')).toMatchObject({ status: 'success', pipeline_name: 'curl' })
  const events = await promisify(execFile)('curl', [
    '-sSN',
    `${bench.url}/ingest/executions/${JSON.parse(answer ?? '').execution_id}/events`,
  ])
  expect(events.stdout).toContain('event: end')
  expect(await bench.destination('SELECT count() AS n FROM curled')).toEqual([{ n: 200 }])
})
