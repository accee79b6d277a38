import { type Fault, IngestError, type Place } from '../../core/errors.ts'
import { REMOTE_MESSAGE_MAX_CHARS } from '../../limits.ts'

export const MINIMAL_RIGHTS =
  'Grant the user: SELECT, INSERT, CREATE TABLE, DROP TABLE, SHOW, ALTER DELETE, ALTER ADD COLUMN, ALTER MODIFY COLUMN on the database; TABLE ENGINE ON MergeTree; SELECT ON system.parts, system.tables, system.columns, system.mutations, system.errors, system.processes; CREATE DATABASE when the database does not exist yet.'

/** Longest beginning of somebody's value that a message may show. */
export const VALUE_MAX_CHARS = 64

/** Longest explanation of a parser that is shown; what follows it may be data. */
const MESSAGE_OF_DATA_MAX_CHARS = 120

/** What ClickHouse said, before anybody judged it. */
export interface Refusal {
  httpStatus: number
  /** From X-ClickHouse-Exception-Code or the text; absent when something else than ClickHouse answered. */
  code?: number
  text: string
  retryAfterSeconds?: number
}

interface Known {
  tag: 'denied' | 'missing' | 'exhausted' | 'throttled' | 'bad-data' | 'unsupported' | 'unreachable' | 'schema-conflict' | 'rejected'
  remedy: string
}

const BAD_DATA_REMEDY = 'Correct the value at the source, give the column a type that holds it, or let values that do not fit become NULL.'
const KNOWN: readonly (Known & { codes: readonly number[] })[] = [
  { codes: [192, 193, 194, 195, 516], tag: 'denied', remedy: 'Check the user and the password of the connection.' },
  { codes: [497, 164, 291, 482], tag: 'denied', remedy: MINIMAL_RIGHTS },
  { codes: [81], tag: 'missing', remedy: 'Create the database or correct its name.' },
  { codes: [60, 218, 390], tag: 'missing', remedy: 'Somebody removed the table; start the load again.' },
  { codes: [241, 173], tag: 'exhausted', remedy: 'Smaller chunks need less memory; or raise max_memory_usage for this user.' },
  { codes: [243, 432], tag: 'exhausted', remedy: 'Free disk space at the destination.' },
  { codes: [201], tag: 'exhausted', remedy: 'Raise the quota of this user, or wait until its interval is over.' },
  { codes: [159, 160], tag: 'exhausted', remedy: 'Smaller chunks need less time; or raise max_execution_time for this user.' },
  { codes: [202, 745], tag: 'throttled', remedy: 'ClickHouse runs too many queries at once; the load tries again.' },
  { codes: [252], tag: 'throttled', remedy: 'ClickHouse has to merge parts first; the load tries again.' },
  {
    codes: [6, 26, 27, 33, 34, 35, 38, 41, 53, 69, 70, 72, 117, 130, 131, 321, 349, 376, 407, 441, 467, 469, 636, 652, 675, 676, 691],
    tag: 'bad-data',
    remedy: BAD_DATA_REMEDY,
  },
  {
    codes: [23, 87, 236, 354, 1001],
    tag: 'bad-data',
    remedy: 'The bytes of this chunk are damaged or cut off; read it again or repair the file.',
  },
  { codes: [56, 73, 344, 478], tag: 'unsupported', remedy: 'Use another table engine or option.' },
  { codes: [57, 82], tag: 'schema-conflict', remedy: 'Something else with this name was created meanwhile; start the load again.' },
  {
    codes: [122, 44, 524],
    tag: 'schema-conflict',
    remedy: 'The table was changed, or cannot be changed this way; start the load again or load into another table.',
  },
  { codes: [209, 210, 236, 242, 999], tag: 'unreachable', remedy: 'Check that ClickHouse runs; the load tries again.' },
]

/** The fault of a refusal. `columns` are those of the statement, for messages of guarded values (`sluice:<index>:<value>`). */
export function faultOfRefusal(refusal: Refusal, place: Place, columns: readonly string[] = []): Fault {
  const code = refusal.code ?? codeOf(refusal.text)
  const known = code === undefined ? undefined : KNOWN.find((entry) => entry.codes.includes(code))
  if (known?.tag === 'bad-data') return badData(refusal.text, code, place, columns, known.remedy)
  const told = { message: wording(refusal.text), place, code: code === undefined ? String(refusal.httpStatus) : String(code) }
  if (known?.tag === 'throttled') return { tag: 'throttled', retryAfterSeconds: refusal.retryAfterSeconds, remedy: known.remedy, ...told }
  if (known) return { tag: known.tag, remedy: known.remedy, ...told }
  if (code !== undefined) return { tag: 'rejected', remedy: 'See the message of ClickHouse.', ...told }
  if (refusal.httpStatus === 401 || refusal.httpStatus === 403)
    return { tag: 'denied', remedy: 'Check the user and the password of the connection.', ...told }
  if (refusal.httpStatus === 429)
    return { tag: 'throttled', retryAfterSeconds: refusal.retryAfterSeconds, remedy: 'The load tries again.', ...told }
  if (refusal.httpStatus >= 500) return { tag: 'unreachable', remedy: 'Check that ClickHouse and whatever stands before it run.', ...told }
  return { tag: 'rejected', remedy: 'Check that host and port are those of the HTTP interface of ClickHouse.', ...told }
}

/** No answer at all. */
export function unreachable(cause: unknown, place: Place): IngestError {
  return new IngestError(
    {
      tag: 'unreachable',
      message: `ClickHouse does not answer${reasonOf(cause)}`,
      place,
      remedy: 'Check that the server runs, that http_port is the port of its HTTP interface, and that it can be reached from here.',
    },
    { cause },
  )
}

function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const code = inner instanceof Error && 'code' in inner && typeof inner.code === 'string' ? inner.code : undefined
  const text = code ?? (cause instanceof Error ? cause.message : undefined)
  return text ? ` (${text.slice(0, 100)})` : ''
}

/** Parser messages quote whole rows: only the column, its type, the record number and the beginning of one value leave here. */
function badData(text: string, code: number | undefined, place: Place, columns: readonly string[], remedy: string): Fault {
  const guarded = /Cannot parse string 'sluice:(\d+):([\s\S]*?)' as Int8/.exec(text)
  if (guarded) {
    const column = columns[Number(guarded[1])]
    return {
      tag: 'bad-data',
      message: `The destination cannot hold the value "${(guarded[2] ?? '').slice(0, VALUE_MAX_CHARS)}"`,
      place: { ...place, ...(column === undefined ? {} : { column }) },
      remedy,
      code: String(code ?? ''),
    }
  }
  const record = /\(at row (\d+)\)/.exec(text)
  const { column, value } = diagnosed(text)
  const first = (wording(text).split(/ before: |: \(at row|: \(while /)[0] ?? '').slice(0, MESSAGE_OF_DATA_MAX_CHARS)
  return {
    tag: 'bad-data',
    message: value === undefined ? first : `${first}: "${value.slice(0, VALUE_MAX_CHARS)}"`,
    place: { ...place, ...(column ? { column } : {}), ...(record ? { record: Number(record[1]) } : {}) },
    remedy: code === 349 ? 'Give the column a value in every row, or make it Nullable at the destination.' : remedy,
    ...(code === undefined ? {} : { code: String(code) }),
  }
}

/** Column and value out of the rows that ClickHouse prints behind an error; the last column before the word ERROR is the one. */
function diagnosed(text: string): { column?: string; value?: string } {
  const end = Math.max(text.lastIndexOf('\nERROR: '), text.lastIndexOf('ERROR\nCode: '), text.lastIndexOf('ERROR: text '))
  const column = end < 0 ? undefined : [...text.slice(0, end).matchAll(/\nColumn \d+,\s+name: (.+?),\s+type: [^\n]*/g)].at(-1)
  if (column?.[1] !== undefined) {
    const value = /parsed text: "([^\n]*)"$/.exec(column[0])?.[1]
    return { column: column[1], ...(value === undefined ? {} : { value }) }
  }
  const named = /while reading the value of key ([^\n]*?)\)/.exec(text)?.[1] ?? / to destination column ([^\n]*?): while/.exec(text)?.[1]
  return named === undefined ? {} : { column: named }
}

function codeOf(text: string): number | undefined {
  const match = /^\s*Code: (\d+)\. /.exec(text)
  return match ? Number(match[1]) : undefined
}

function wording(text: string): string {
  return text
    .replace(/^\s*Code: \d+\. (DB::\w*Exception: )?/, '')
    .replace(/ \([A-Z_0-9]+\) \(version [^)]*\)\s*$/, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, REMOTE_MESSAGE_MAX_CHARS)
}
