import { faultOf } from '../../core/errors.ts'
import type { ExecutionView } from '../../core/execution.ts'
import type { ApiRequest, DialectContext } from '../dialect.ts'
import { messageOf } from './faults.ts'
import { hasEnded, progressOf, receiptOf } from './receipt.ts'

/** How often progress is told. */
const PROGRESS_MS = 1_000
/** Nothing new for this long: a comment keeps proxies from closing the connection. */
const HEARTBEAT_MS = 15_000
/** A connection is closed after this long and the client comes back by itself: one request has a bounded number of calls. */
const CONNECTION_MS = 30 * 60_000
const LAST_EVENT_ID = 'end'

/**
 * `progress` whenever something changed, at most once a second; `end` with the receipt. There is nothing to resume: every
 * event tells the whole state, so reconnecting is enough. Throws `not-found` before the stream begins.
 */
export async function streamEvents(request: ApiRequest, id: string, { operations, edges }: DialectContext): Promise<Response> {
  // A client that reconnects by habit after `end` is told to stop (WHATWG HTML, server-sent events).
  if (request.raw.headers.get('last-event-id') === LAST_EVENT_ID) return new Response(null, { status: 204 })

  let view = await operations.describeExecution(request.caller, id)
  const left = new AbortController()
  const leave = () => left.abort()
  request.signal.addEventListener('abort', leave)
  const openedAtMs = edges.nowMs()
  let lastSentMs = openedAtMs
  let lastData = ''

  const next = async (): Promise<string | undefined> => {
    while (!left.signal.aborted) {
      const nowMs = edges.nowMs()
      if (hasEnded(view)) return undefined
      const data = JSON.stringify(progressOf(view))
      if (data !== lastData) {
        lastData = data
        lastSentMs = nowMs
        return event('progress', data)
      }
      if (nowMs - openedAtMs > CONNECTION_MS) return undefined
      if (nowMs - lastSentMs >= HEARTBEAT_MS) {
        lastSentMs = nowMs
        return ': heartbeat\n\n'
      }
      view = await pollNext(nowMs)
    }
    return undefined
  }
  /** The state about a second later, or as soon as the execution has ended. */
  const pollNext = async (sinceMs: number): Promise<ExecutionView> => {
    const later = await operations.waitForExecution(request.caller, id, PROGRESS_MS)
    const restMs = PROGRESS_MS - (edges.nowMs() - sinceMs)
    if (!hasEnded(later) && restMs > 0) await edges.sleep(restMs, left.signal)
    return later
  }

  const encoder = new TextEncoder()
  let started = false
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          if (!started) {
            started = true
            controller.enqueue(encoder.encode('retry: 2000\n\n'))
            return
          }
          const text = await next()
          if (text !== undefined) return controller.enqueue(encoder.encode(text))
          if (hasEnded(view)) controller.enqueue(encoder.encode(event('end', JSON.stringify(receiptOf(view)), LAST_EVENT_ID)))
        } catch (error) {
          controller.enqueue(encoder.encode(event('error', JSON.stringify({ status: 'error', message: messageOf(faultOf(error)) }))))
        }
        request.signal.removeEventListener('abort', leave)
        controller.close()
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store, no-transform' } })
}

function event(name: string, data: string, id?: string): string {
  return `event: ${name}\n${id ? `id: ${id}\n` : ''}data: ${data}\n\n`
}
