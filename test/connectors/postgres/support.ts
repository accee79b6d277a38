import pg from 'pg'
import { type PostgresConfig, postgresConfig } from '../../../src/connectors/postgres/config.ts'
import { PostgresSource } from '../../../src/connectors/postgres/source.ts'
import type { Chunk, Json, ReadRequest, StreamDescription } from '../../../src/core/chunk.ts'
import type { Io, Source } from '../../../src/core/connector.ts'
import { type Fault, faultOf } from '../../../src/core/errors.ts'
import type { Payload } from '../../../src/core/payload.ts'
import { nodeIo } from '../../support/node-io.ts'

export interface Server {
  port: number
  password: string
}

/** A database of its own in a running server. */
export class Database {
  readonly server: Server
  readonly name: string
  private constructor(server: Server, name: string) {
    this.server = server
    this.name = name
  }

  static async create(server: Server, name: string): Promise<Database> {
    const database = new Database(server, name)
    await database.run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`, 'postgres')
    await database.run(`CREATE DATABASE ${name}`, 'postgres')
    return database
  }

  /** Rows of the last statement; values as the server writes them. */
  async run(sql: string, database = this.name): Promise<Record<string, string | null>[]> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.server.port,
      user: 'postgres',
      password: this.server.password,
      database,
      options: '-c standard_conforming_strings=on -c datestyle=ISO',
      types: { getTypeParser: () => (value: string) => value },
    })
    client.on('error', () => {})
    await client.connect()
    try {
      const result = await client.query(sql)
      return (Array.isArray(result) ? result[result.length - 1] : result).rows
    } finally {
      await client.end()
    }
  }

  config(settings: Record<string, unknown> = {}): PostgresConfig {
    const { port, password } = this.server
    return postgresConfig.parse({
      host: '127.0.0.1',
      port,
      password,
      user: 'postgres',
      database: this.name,
      sslmode: 'disable',
      ...settings,
    })
  }

  source(settings: Record<string, unknown> = {}, io: Io = nodeIo()): PostgresSource {
    return new PostgresSource(this.config(settings), io)
  }
}

export function request(stream: string, more: Partial<ReadRequest> = {}): ReadRequest {
  return { stream, rules: { exclude: [], pseudonymize: [] }, ...more }
}

export async function open(
  source: Source,
  description: StreamDescription,
  chunk: Chunk,
  snapshot?: Json,
): Promise<Extract<Payload, { via: 'bytes' }>> {
  const [lane] = description.emits
  if (!lane) throw new Error('no lane')
  const payload = await source.read(description, chunk, lane, { pseudonymSalt: 'salt', snapshot })
  if (payload.via !== 'bytes') throw new Error('not bytes')
  return payload
}

/** All text of a payload, once it says that it is complete. */
export async function textOf(
  payload: Extract<Payload, { via: 'bytes' }>,
): Promise<{ text: string; rows: number | undefined; bytes: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let text = ''
  for await (const bytes of payload.body) text += decoder.decode(bytes, { stream: true })
  text += decoder.decode()
  return { text, ...(await payload.completed), rows: (await payload.completed).rows }
}

export async function chunksOf(
  source: Source,
  description: StreamDescription,
  targetChunkBytes = 1 << 30,
  after?: Chunk,
): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for await (const chunk of source.plan(description, targetChunkBytes, after)) chunks.push(chunk)
  return chunks
}

/** Lines of the whole stream, one connection per chunk. */
export async function readLines(
  source: Source,
  description: StreamDescription,
  targetChunkBytes = 1 << 30,
  snapshot?: Json,
): Promise<string[]> {
  const lines: string[] = []
  for (const chunk of await chunksOf(source, description, targetChunkBytes)) {
    const { text, rows } = await textOf(await open(source, description, chunk, snapshot))
    const own = text.split('\n').slice(0, -1)
    if (own.length !== rows) throw new Error(`${own.length} lines but ${rows} rows`)
    lines.push(...own)
  }
  return lines
}

/** Undoes COPY's escapes; null for \N. */
export function unescapeField(field: string): string | null {
  if (field === '\\N') return null
  const letters: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }
  return field.replace(/\\(.)/gs, (_, letter: string) => letters[letter] ?? letter)
}

export function fields(line: string): (string | null)[] {
  return line.split('\t').map(unescapeField)
}

export async function faultFrom(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise
  } catch (error) {
    return faultOf(error)
  }
  throw new Error('nothing was thrown')
}

export async function eventuallyTrue(what: string, probe: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await probe()); await new Promise((resolve) => setTimeout(resolve, 10))) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`)
  }
}
