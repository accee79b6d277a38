import type { IngestError } from '../../core/errors.ts'

/**
 * A long statement is silent, and so is a server that is gone: after each `idleTimeoutMs` the server is asked over
 * another connection, and when that is not answered either, the work is given up. The caller aborts the request.
 * @param ping any sign of life; rejects or never settles when there is none
 */
export async function whileAnswering<T>(
  work: Promise<T>,
  idleTimeoutMs: number,
  ping: (signal: AbortSignal) => Promise<unknown>,
  silent: () => IngestError,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let over = false
  const dead = new Promise<never>((_, reject) => {
    const ask = async () => {
      const controller = new AbortController()
      const late = setTimeout(() => {
        controller.abort()
        reject(silent())
      }, idleTimeoutMs)
      try {
        await ping(controller.signal)
      } catch {
        reject(silent())
      } finally {
        clearTimeout(late)
      }
      if (!over) timer = setTimeout(ask, idleTimeoutMs)
    }
    timer = setTimeout(ask, idleTimeoutMs)
  })
  dead.catch(() => {})
  work.catch(() => {})
  try {
    return await Promise.race([work, dead])
  } finally {
    over = true
    clearTimeout(timer)
  }
}
