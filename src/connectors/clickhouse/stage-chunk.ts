import type { Json, Receipt } from '../../core/chunk.ts'
import type { Attempt, Io } from '../../core/connector.ts'
import { IngestError } from '../../core/errors.ts'
import type { Payload, ReadOutcome } from '../../core/payload.ts'
import { faultOfRefusal } from './faults.ts'
import type { ClickHouseHttp } from './http.ts'
import { insertStatement, NULLED_COLUMN } from './insert-statement.ts'
import { fault, type Load, type Stage } from './load.ts'
import { qualify, quoteName } from './quoting.ts'
import { ALTER_SETTINGS, createLike } from './staging-tables.ts'
import { killQuery, watchInsert } from './watch-insert.ts'

/** Writes one chunk into a table of its own. Two requests: the table, the bytes. */
export async function stageChunk(
  http: ClickHouseHttp,
  io: Io,
  load: Load,
  attempt: Attempt,
  payload: Payload,
  onProgress: (bytes: number) => void,
): Promise<Receipt> {
  // The payload settles on its own; nobody may be told of a rejection that nobody awaits.
  payload.completed.catch(() => {})
  try {
    if (payload.via !== 'bytes') throw new IngestError({ tag: 'internal', message: 'ClickHouse takes bytes, not records' })
    const { table, uuid } = await createLike(http, load, 's', `${attempt.chunkId}_${attempt.attemptId}`)
    const quoted = qualify(load.database, table)
    const insert = insertStatement(quoted, load.columns, payload.format, load.unrepresentable)
    if (insert.countsNulled) await http.run(`ALTER TABLE ${quoted} ADD COLUMN ${quoteName(NULLED_COLUMN)} Array(UInt16)`, ALTER_SETTINGS)
    const { writtenRows, outcome } = await send(http, io, load, insert, payload, onProgress)
    if (!Number.isSafeInteger(writtenRows))
      throw fault(
        http,
        load,
        'rejected',
        'The answer does not say how many rows were written',
        'A proxy removes the header X-ClickHouse-Summary: let it pass.',
      )
    if (outcome.rows !== undefined && outcome.rows !== writtenRows) {
      throw fault(
        http,
        load,
        'mismatch',
        `The source delivered ${outcome.rows} rows and ClickHouse wrote ${writtenRows}`,
        'Nothing was published. Read the chunk again.',
      )
    }
    const nulled = insert.countsNulled ? await takeNulled(http, load, quoted) : {}
    onProgress(outcome.bytes)
    const stage: Stage = { table, uuid, rows: writtenRows, ...(Object.keys(nulled).length ? { nulled } : {}) }
    return { chunkId: attempt.chunkId, rows: writtenRows, bytes: outcome.bytes, staged: stage as unknown as Json }
  } catch (error) {
    payload.cancel()
    throw io.signal.aborted ? new IngestError({ tag: 'cancelled' }, { cause: error }) : error
  }
}

/** Between the failure of a request and the word of it. */
const CAUSE_GRACE_MS = 25

type BytesPayload = Extract<Payload, { via: 'bytes' }>

/** The first cause wins; everything that could still wait is ended when it is known. */
async function send(
  http: ClickHouseHttp,
  io: Io,
  load: Load,
  insert: { statement: string; settings: Record<string, string | number> },
  payload: BytesPayload,
  onProgress: (bytes: number) => void,
): Promise<{ writtenRows: number; outcome: ReadOutcome }> {
  const queryId = crypto.randomUUID()
  const columns = load.columns.map((column) => column.name)
  const controller = new AbortController()
  let failure: unknown
  let answered = false
  let fail: (cause: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = (cause) => {
      if (failure !== undefined) return
      failure = cause
      // No reason: workerd turns one into an uncaught exception of the whole invocation.
      controller.abort()
      payload.cancel()
      reject(cause)
    }
  })
  failed.catch(() => {})
  const cancel = () => fail(new IngestError({ tag: 'cancelled' }))
  if (io.signal.aborted) cancel()
  io.signal.addEventListener('abort', cancel, { once: true })
  // A request that breaks cancels the body, which the source reports first: the request's own cause gets a moment to arrive.
  payload.completed.catch((cause) => setTimeout(() => fail(cause), CAUSE_GRACE_MS))
  const watch = watchInsert(http, queryId, onProgress, (text) => fail(endedEarly(http, load, text, columns)))
  try {
    const request = http.insert({
      ...insert,
      queryId,
      compression: payload.format.compression,
      body: payload.body,
      signal: controller.signal,
      columns,
    })
    request.catch((cause) => {
      answered = true
      fail(cause)
    })
    const writtenRows = await Promise.race([request, failed])
    watch.stop()
    return { writtenRows, outcome: await Promise.race([payload.completed, failed]) }
  } catch (error) {
    if (!answered) await killQuery(http, queryId)
    throw failure ?? error
  } finally {
    watch.stop()
    io.signal.removeEventListener('abort', cancel)
  }
}

function endedEarly(http: ClickHouseHttp, load: Load, text: string, columns: readonly string[]): IngestError {
  if (text === '')
    return fault(
      http,
      load,
      'rejected',
      'ClickHouse ended the insert before all bytes had arrived',
      'Try again; the log of the server names the cause.',
    )
  return new IngestError(faultOfRefusal({ httpStatus: 500, text }, { ...http.place, resource: `${load.database}.${load.table}` }, columns))
}

/** Counts the values that became NULL, and gives the stage the destination's structure back. */
async function takeNulled(http: ClickHouseHttp, load: Load, table: string): Promise<Record<string, number>> {
  const rows = await http.rows<{ column: number; values: string }>(
    `SELECT arrayJoin(${quoteName(NULLED_COLUMN)}) AS column, count() AS values FROM ${table} GROUP BY column`,
  )
  await http.run(`ALTER TABLE ${table} DROP COLUMN ${quoteName(NULLED_COLUMN)}`, ALTER_SETTINGS)
  return Object.fromEntries(rows.map((row) => [load.columns[row.column - 1]?.name ?? '', Number(row.values)]))
}
