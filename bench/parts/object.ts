import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { httpPipe } from '../pipes.ts'
import { DESTINATION_DATABASE, insertUrl, type Stage, timedLoad } from '../stage.ts'
import { type PairedResult, paired } from './paired.ts'
import { assertEqualContent, createEqualTable, emptyTable } from './postgres.ts'

const CSV_ROWS = 3_000_000
const TARGET_RATIO = 0.9
const START_DEADLINE_MS = 30_000

/** A CSV object of an S3 into ClickHouse through the API, against two curls into an equal table. */
export async function measureObject(stage: Stage): Promise<PairedResult> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const file = join(folder, 'events.csv')
  await writeCsv(stage, file)
  const child = spawn(process.execPath, [join(import.meta.dirname, '../object-server.ts'), file], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line', { signal: AbortSignal.timeout(START_DEADLINE_MS) })) as [
      string,
    ]
    const { url, accessKeyId, secretAccessKey } = JSON.parse(line) as { url: string; accessKeyId: string; secretAccessKey: string }
    const parameters = new URLSearchParams({
      access_key_id: accessKeyId,
      access_key_secret: secretAccessKey,
      region: 'us-east-1',
      endpoint_url: url,
    })
    const load = { sourceUri: `s3://bench?${parameters}`, stream: 'events.csv', table: 'events' }
    await timedLoad(stage, load)
    await createEqualTable(stage, 'events_by_pipe', 'events')
    const pipe = httpPipe(`${url}/bench/events.csv`, insertUrl(stage, 'events_by_pipe', 'CSVWithNames'))
    const result = await paired(stage, TARGET_RATIO, load, pipe, () => emptyTable(stage, 'events_by_pipe'))
    await assertEqualContent(stage, 'events', 'events_by_pipe')
    return result
  } finally {
    child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
}

/** About 300 MB with quotes, commas and empty fields; written by the server, which is fast at it. */
async function writeCsv({ clickhouse }: Stage, file: string): Promise<void> {
  const sql = `SELECT number AS id, concat('user ', toString(number % 100000)) AS name,
      toDateTime64('2024-01-01 00:00:00.123', 3, 'UTC') + number AS at, number / 7 AS amount, number % 3 = 0 AS active,
      if(number % 4 = 0, 'said "hello, world"', 'plain words of some length') AS text,
      toString(generateUUIDv4(number)) AS code
    FROM numbers(${CSV_ROWS}) FORMAT CSVWithNames`
  const response = await fetch(`${clickhouse.url}/?database=${DESTINATION_DATABASE}`, { method: 'POST', body: sql })
  if (!response.ok || !response.body) throw new Error(await response.text())
  await pipeline(response.body, createWriteStream(file))
}
