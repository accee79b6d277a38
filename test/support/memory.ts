import type { Chunk, ReadRequest, StreamDescription, Target, TargetPlan } from '../../src/core/chunk.ts'
import type { Destination, Source } from '../../src/core/connector.ts'
import { IngestError } from '../../src/core/errors.ts'
import type { Lane, Payload, RecordBatch } from '../../src/core/payload.ts'
import type { Schema } from '../../src/core/schema.ts'

const TSV: Lane = { via: 'bytes', format: { encoding: 'tsv', compression: 'none' } }

export interface MemorySourceOptions {
  schema: Schema
  /** One text of tsv per chunk. */
  chunks?: string[]
  /** The same rows for the record lane. */
  batches?: RecordBatch[]
  rulesApplied?: boolean
  /** What the source claims to have sent; the number of lines by default. */
  claimedRows?: number
  /** Thrown after the bytes of the chunk were sent. */
  failure?: IngestError
}

/** A source in memory, for tests of what moves data between any two ends. */
export function memorySource(options: MemorySourceOptions): Source & { cancelled: boolean } {
  const source: Source & { cancelled: boolean } = {
    cancelled: false,
    check: async () => {},
    close: async () => {},
    async describe(request: ReadRequest): Promise<StreamDescription> {
      return {
        stream: request.stream,
        defaultTable: request.stream,
        schema: options.schema,
        key: [],
        emits: [TSV, { via: 'records' }],
        rulesApplied: options.rulesApplied ?? true,
        consistency: 'object',
        notes: [],
        details: null,
      }
    },
    async *plan(_description, _bytes, after) {
      for (let index = after ? Number(after.slice) + 1 : 0; index < (options.chunks?.length ?? 1); index++)
        yield { id: `c${index}`, slice: index }
    },
    async read(_description, chunk: Chunk, lane: Lane): Promise<Payload> {
      const text = options.chunks?.[Number(chunk.slice)] ?? ''
      const rows = options.claimedRows ?? text.split('\n').length - 1
      const outcome = options.failure ? Promise.reject(options.failure) : Promise.resolve({ rows, bytes: text.length })
      outcome.catch(() => {})
      const cancel = () => {
        source.cancelled = true
      }
      if (lane.via === 'records') {
        return { via: 'records', schema: options.schema, batches: each(options.batches ?? []), completed: outcome, cancel }
      }
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(text))
          if (options.failure) controller.error(options.failure)
          else controller.close()
        },
      })
      return { via: 'bytes', format: lane.format, body, completed: outcome, cancel }
    },
  }
  return source
}

async function* each<T>(items: T[]): AsyncIterable<T> {
  yield* items
}

/** A destination in memory: `tables` shows what is visible, `staged` what is not yet. */
export function memoryDestination(
  options: { failure?: IngestError; dropRows?: number } = {},
): Destination & { tables: Map<string, string>; staged: Map<string, string> } {
  const tables = new Map<string, string>()
  const staged = new Map<string, string>()
  return {
    tables,
    staged,
    accepts: [TSV],
    check: async () => {},
    close: async () => {},
    async plan(target: Target): Promise<TargetPlan> {
      return { target, statements: [], columns: [], notes: [], details: null }
    },
    prepare: async (plan, loadId) => ({ table: plan.target.table, loadId }),
    async write(_prepared, attempt, payload) {
      if (payload.via !== 'bytes') throw new Error('this destination takes bytes')
      if (options.failure) {
        await payload.body.cancel()
        throw options.failure
      }
      let text: string
      try {
        text = await new Response(payload.body).text()
      } catch (cause) {
        throw new IngestError({ tag: 'unreachable', message: 'the body broke off', place: { side: 'destination' }, remedy: '' }, { cause })
      }
      staged.set(`${attempt.chunkId}/${attempt.attemptId}`, text)
      const rows = text.split('\n').length - 1 - (options.dropRows ?? 0)
      return { chunkId: attempt.chunkId, rows, bytes: text.length, staged: `${attempt.chunkId}/${attempt.attemptId}` }
    },
    async commit(prepared, receipts) {
      let text = ''
      let rows = 0
      for await (const receipt of receipts) {
        text += staged.get(String(receipt.staged)) ?? ''
        rows += receipt.rows
      }
      tables.set((prepared as { table: string }).table, text)
      return { foundRows: rows, tableRows: rows, foldedRows: 0, notes: [] }
    },
    abort: async () => staged.clear(),
  }
}
