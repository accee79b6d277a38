import { faultOf } from '../../core/errors.ts'
import type { ExecutionView } from '../../core/execution.ts'
import { redact } from '../../core/redact.ts'
import type { ApiRequest, DialectContext } from '../dialect.ts'
import { messageOf } from './faults.ts'
import { hasEnded, progressOf, receiptOf } from './receipt.ts'

/** How often progress is told. */
const PROGRESS_MS = 1_000
/** Said when there is nothing new: keeps proxies from closing the connection, and is how a client that left is noticed. */
const HEARTBEAT = ': heartbeat\n\n'
/** A connection is closed after this long and the client comes back by itself: one request has a bounded number of calls. */
const CONNECTION_MS = 30 * 60_000
const LAST_EVENT_ID = 'end'

/**
 * `progress` about once a second, as long as something changes; `end` with the receipt. There is nothing to resume: every
 * event tells the whole state, so reconnecting is enough. `fault` when it cannot be told any more, though the execution may
 * go on. Throws `not-found` before the stream begins.
 */
export async function streamEvents(request: ApiRequest, id: string, { operations, edges }: DialectContext): Promise<Response> {
  // A client that reconnects by habit after `end` is told to stop (WHATWG HTML, server-sent events).
  if (request.raw.headers.get('last-event-id') === LAST_EVENT_ID) return new Response(null, { status: 204 })

  let view = await operations.describeExecution(request.caller, id)
  const left = new AbortController()
  const leave = () => left.abort()
  request.signal.addEventListener('abort', leave)
  const openedAtMs = edges.nowMs()
  let lastData = ''
  let polled = true

  const next = async (): Promise<string | undefined> => {
    const nowMs = edges.nowMs()
    if (!polled) view = await pollNext(nowMs)
    polled = false
    if (left.signal.aborted || hasEnded(view) || nowMs - openedAtMs > CONNECTION_MS) return undefined
    const data = JSON.stringify(progressOf(view))
    if (data === lastData) return HEARTBEAT
    lastData = data
    return event('progress', data)
  }
  /** The state about a second later, or as soon as the execution has ended. */
  const pollNext = async (sinceMs: number): Promise<ExecutionView> => {
    const later = await operations.waitForExecution(request.caller, id, PROGRESS_MS)
    const restMs = PROGRESS_MS - (edges.nowMs() - sinceMs)
    if (!hasEnded(later) && restMs > 0) await edges.sleep(restMs, left.signal)
    return later
  }

  const encoder = new TextEncoder()
  let cancelled = false
  const nextText = async (): Promise<{ text: string; last: boolean }> => {
    try {
      const text = await next()
      if (text !== undefined) return { text, last: false }
      return { text: hasEnded(view) ? event('end', JSON.stringify(receiptOf(view)), LAST_EVENT_ID) : '', last: true }
    } catch (error) {
      const fault = faultOf(error)
      if (fault.tag === 'internal') edges.log('events-failed', { executionId: id, error: redact(String(error)) })
      return { text: event('fault', JSON.stringify({ status: 'error', message: messageOf(fault) })), last: true }
    }
  }
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode('retry: 2000\n\n')),
      async pull(controller) {
        const { text, last } = await nextText()
        if (cancelled) return
        if (text) controller.enqueue(encoder.encode(text))
        if (!last) return
        request.signal.removeEventListener('abort', leave)
        controller.close()
      },
      cancel() {
        cancelled = true
        leave()
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store, no-transform' } })
}

function event(name: string, data: string, id?: string): string {
  return `event: ${name}\n${id ? `id: ${id}\n` : ''}data: ${data}\n\n`
}
