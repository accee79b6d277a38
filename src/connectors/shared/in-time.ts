import type { Io } from '../../core/connector.ts'
import { IngestError, type Place } from '../../core/errors.ts'
import { IDLE_TIMEOUT_MS } from '../../limits.ts'
import { unreachable } from './faults.ts'

/** How long this store may be silent. */
export function patienceMs(io: Io): number {
  return io.idleTimeoutMs ?? IDLE_TIMEOUT_MS
}

export function silent(io: Io, place: Place): IngestError {
  return unreachable(`No byte came for ${patienceMs(io) / 1000} s`, place)
}

/**
 * A fetch whose answer begins in time; a peer that went silent raises no error by itself. The body is on its own.
 * @throws IngestError `unreachable`, `cancelled`, and what `io.fetch` refuses
 */
export async function fetchInTime(io: Io, url: string, init: RequestInit & { signal: AbortSignal }, place: Place): Promise<Response> {
  const controller = new AbortController()
  // Without a reason of our own: workerd reports one as an uncaught exception.
  const abort = () => controller.abort()
  const outer = init.signal
  if (outer.aborted) abort()
  outer.addEventListener('abort', abort, { once: true })
  try {
    return await inTime(io, io.fetch(url, { ...init, signal: controller.signal }), place)
  } catch (cause) {
    abort()
    outer.removeEventListener('abort', abort)
    if (cause instanceof IngestError) throw cause
    if (io.signal.aborted) throw new IngestError({ tag: 'cancelled' }, { cause })
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    throw unreachable(`No answer: ${inner instanceof Error ? inner.message : String(inner)}`, place, cause)
  }
}

/** A small body as text, whole. */
export async function textInTime(io: Io, response: Response, place: Place): Promise<string> {
  return await inTime(io, response.text(), place)
}

async function inTime<T>(io: Io, work: Promise<T>, place: Place): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(silent(io, place)), patienceMs(io))
  })
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
