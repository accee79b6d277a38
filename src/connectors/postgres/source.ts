import type { Chunk, Json, ReadRequest, StreamDescription } from '../../core/chunk.ts'
import type { HeldSnapshot, Io, ReadOptions, Source } from '../../core/connector.ts'
import { IngestError } from '../../core/errors.ts'
import type { Lane, Payload } from '../../core/payload.ts'
import { checksumQuery } from './checksum.ts'
import type { PostgresConfig } from './config.ts'
import { describeStream } from './describe.ts'
import { detailsOf } from './details.ts'
import { sourcePlace, toIngestError } from './faults.ts'
import { planChunks } from './plan.ts'
import { openQueries, type Queries } from './queries.ts'
import { readChunk, transactionOf } from './read.ts'
import { beginStatements } from './session-settings.ts'
import { holdSnapshot, readToken } from './snapshot.ts'

/** Tables, partitioned tables, views, materialized views and foreign tables of one Postgres database. */
export class PostgresSource implements Source {
  private readonly config: PostgresConfig
  private readonly io: Io
  private connection: Queries | undefined
  /** One question at a time: they share a connection, and each is a transaction. */
  private turn: Promise<unknown> = Promise.resolve()
  /** What `describe` looks at while a snapshot is held: a cursor's end must not lie behind what the chunks can see. */
  private held: Json | undefined

  constructor(config: PostgresConfig, io: Io) {
    this.config = config
    this.io = io
  }

  async check(): Promise<void> {
    await this.ask(undefined, (queries) => queries.query('BEGIN READ ONLY'))
  }

  async describe(request: ReadRequest): Promise<StreamDescription> {
    const begin = beginStatements(readToken(this.held, this.config)?.id, null)
    return await this.ask(request.stream, async (queries) => {
      await queries.query(begin.join(';\n'))
      return await describeStream(queries, request, this.config)
    })
  }

  async *plan(description: StreamDescription, targetChunkBytes: number, after?: Chunk): AsyncGenerator<Chunk> {
    yield* planChunks(detailsOf(description), targetChunkBytes, after)
  }

  async read(description: StreamDescription, chunk: Chunk, lane: Lane, options: ReadOptions): Promise<Payload> {
    if (lane.via !== 'bytes' || lane.format.encoding !== 'tsv' || lane.format.compression !== 'none') {
      throw new IngestError({
        tag: 'unsupported',
        message: `Postgres does not emit ${lane.via === 'bytes' ? `${lane.format.encoding}, ${lane.format.compression}` : lane.via}`,
        place: sourcePlace(this.config, description.stream),
        remedy: 'Choose one of the lanes that the description names.',
      })
    }
    // A place at the source stands for one connection: that of the questions is not kept beside the chunk's own.
    await this.turn
    await this.close()
    return await readChunk(this.config, this.io, description, chunk, options)
  }

  async holdSnapshot(): Promise<HeldSnapshot> {
    const snapshot = await holdSnapshot(this.config, this.io)
    this.held = snapshot.token
    return {
      token: snapshot.token,
      keepAlive: () => snapshot.keepAlive(),
      release: async () => {
        if (this.held === snapshot.token) this.held = undefined
        await snapshot.release()
      },
    }
  }

  async checksum(description: StreamDescription, chunk: Chunk, fields: string[], options: ReadOptions): Promise<string> {
    const sql = checksumQuery(description, chunk, fields, options, this.config)
    const transaction = transactionOf(this.config, description, chunk, options)
    return await this.ask(description.stream, async (queries) => {
      let done = 0
      let last: Record<string, string | null> = {}
      for (const statement of transaction.statements) {
        try {
          last = (await queries.query(statement))[0] ?? {}
          done++
        } catch (error) {
          throw transaction.explain(error, done)
        }
      }
      transaction.accept(Object.values(last))
      const [row] = await queries.query(sql)
      return row?.sum ?? '0'
    })
  }

  async close(): Promise<void> {
    const { connection } = this
    this.connection = undefined
    await connection?.close()
  }

  /** `work` opens a transaction; it is rolled back here. */
  private async ask<T>(resource: string | undefined, work: (queries: Queries) => Promise<T>): Promise<T> {
    const before = this.turn
    const mine = before.then(() => this.askNow(resource, work))
    this.turn = mine.catch(() => {})
    return await mine
  }

  private async askNow<T>(resource: string | undefined, work: (queries: Queries) => Promise<T>): Promise<T> {
    const place = sourcePlace(this.config, resource)
    try {
      const queries = await this.connect()
      try {
        return await work(queries)
      } finally {
        await queries.query('ROLLBACK').catch(() => this.close())
      }
    } catch (error) {
      throw toIngestError(error, place)
    }
  }

  /** The kept connection if it still answers: an idle one may be gone without a word. */
  private async connect(): Promise<Queries> {
    const kept = this.connection
    if (kept?.alive) {
      try {
        await kept.query('SELECT 1')
        return kept
      } catch {
        await this.close()
      }
    }
    this.connection = await openQueries(this.config, this.io)
    return this.connection
  }
}
