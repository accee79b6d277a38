import { spawn } from 'node:child_process'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { isInstalled } from './machine.ts'

/** The physical limit each lane is held against: two programs and a pipe. */

const PIPE_DEADLINE_MS = 120_000

export interface Pipe {
  /** How it is made, for the report. */
  readonly name: string
  /** Seconds from the start of the programs to the destination's answer. */
  run(): Promise<number>
}

/** `psql -c "COPY (…) TO STDOUT" | curl -T -`, or as much of it in Node where the programs are missing. */
export function postgresPipe(sourceUri: string, select: string, insertUrl: string): Pipe {
  const copy = `COPY (${select}) TO STDOUT`
  if (isInstalled('psql') && isInstalled('curl')) {
    return {
      name: 'psql -c "COPY (…) TO STDOUT" | curl -T -',
      run: () =>
        shell('psql -X -q "$SOURCE" -c "$COPY" | curl -sS --fail-with-body -X POST -H Expect: -T - "$INSERT"', {
          SOURCE: sourceUri,
          COPY: copy,
          INSERT: insertUrl,
        }),
    }
  }
  return {
    name: 'Node: own reading of the COPY protocol → HTTP POST (psql or curl is not installed)',
    run: () => seconds(() => nodeCopy(sourceUri, copy, insertUrl)),
  }
}

/** `curl <object> | curl -T -`. */
export function httpPipe(objectUrl: string, insertUrl: string): Pipe {
  if (isInstalled('curl')) {
    return {
      name: 'curl <object> | curl -T -',
      run: () =>
        shell('curl -sS --fail "$OBJECT" | curl -sS --fail-with-body -X POST -H Expect: -T - "$INSERT"', {
          OBJECT: objectUrl,
          INSERT: insertUrl,
        }),
    }
  }
  return { name: 'Node: fetch → HTTP POST (curl is not installed)', run: () => seconds(() => nodeFetch(objectUrl, insertUrl)) }
}

async function shell(script: string, env: Record<string, string>): Promise<number> {
  return await seconds(async () => {
    const child = spawn('bash', ['-c', `set -o pipefail; ${script}`], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PIPE_DEADLINE_MS,
    })
    let output = ''
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (output += data.toString()))
    const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
    if (code !== 0) throw new Error(`the pipe ended with ${code}: ${output.slice(0, 500)}`)
  })
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const startedAtMs = performance.now()
  await work()
  return (performance.now() - startedAtMs) / 1000
}

async function nodeCopy(sourceUri: string, copy: string, insertUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: sourceUri })
  await client.connect()
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter & { query(sql: string): void; stream: Socket } }
  const insert = post(insertUrl)
  connection.on('copyData', ({ chunk }: { chunk: Buffer }) => {
    if (insert.body.write(chunk)) return
    connection.stream.pause()
    insert.body.once('drain', () => connection.stream.resume())
  })
  const done = new Promise<void>((resolve, reject) => {
    connection.once('copyDone', resolve)
    connection.once('errorMessage', reject)
  })
  connection.query(copy)
  await done
  insert.body.end()
  await insert.answered
  await client.end()
}

async function nodeFetch(objectUrl: string, insertUrl: string): Promise<void> {
  const response = await fetch(objectUrl)
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`)
  const insert = post(insertUrl)
  await pipeline(response.body, insert.body)
  await insert.answered
}

function post(url: string) {
  const body = request(url, { method: 'POST', timeout: PIPE_DEADLINE_MS })
  const answered = new Promise<void>((resolve, reject) => {
    body.once('error', reject)
    body.once('response', (response) => {
      response.resume()
      if (response.statusCode === 200) response.once('end', resolve)
      else reject(new Error(`HTTP ${response.statusCode}`))
    })
  })
  return { body, answered }
}
