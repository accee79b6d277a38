import { PROGRESS_EVERY_MS } from '../../limits.ts'
import type { ClickHouseHttp } from './http.ts'
import { quoteText } from './quoting.ts'

export interface Watch {
  stop(): void
}

/**
 * ClickHouse answers an insert that failed early only after the whole body. Once the query has been seen in
 * system.processes and is gone while bytes still flow, it has failed: `onGone` is called, once, with the error text as
 * system.errors keeps it (empty when another query overwrote it). `onProgress` is told the bytes read so far.
 */
export function watchInsert(
  http: ClickHouseHttp,
  queryId: string,
  onProgress: (bytes: number) => void,
  onGone: (text: string) => void,
): Watch {
  let stopped = false
  let seen = false
  let gone = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = async () => {
    try {
      const [row] = await http.rows<{ bytes: string }>(
        `SELECT read_bytes AS bytes FROM system.processes WHERE query_id = ${quoteText(queryId)}`,
      )
      if (stopped) return
      if (row) {
        seen = true
        gone = 0
        onProgress(Number(row.bytes))
      } else {
        const text = await errorTextOf(http, queryId)
        if (stopped) return
        // A query that just succeeded is gone too, and its answer on the way: without an error text look once more.
        if (seen) gone++
        if (text !== '' || gone > 1) {
          stopped = true
          onGone(text)
          return
        }
      }
    } catch {
      // Watching is an early warning only: the insert itself still reports whatever goes wrong.
    }
    if (!stopped) timer = setTimeout(look, PROGRESS_EVERY_MS)
  }
  timer = setTimeout(look, PROGRESS_EVERY_MS)
  return {
    stop() {
      stopped = true
      if (timer !== undefined) clearTimeout(timer)
    },
  }
}

/** `Code: 27. …` of a query that failed, or nothing. */
async function errorTextOf(http: ClickHouseHttp, queryId: string): Promise<string> {
  const [row] = await http.rows<{ code: number; message: string }>(
    `SELECT code, last_error_message AS message FROM system.errors WHERE query_id = ${quoteText(queryId)} ORDER BY last_error_time DESC, code LIMIT 1`,
  )
  return row ? `Code: ${row.code}. ${row.message}` : ''
}

/** For requests that were given up: the server notices a lost client late or never. */
export async function killQuery(http: ClickHouseHttp, queryId: string): Promise<void> {
  try {
    await http.runUncancelled(`KILL QUERY WHERE query_id = ${quoteText(queryId)} ASYNC`)
  } catch {
    // Best effort: the stage of a given-up attempt is never committed and is dropped with the load.
  }
}
