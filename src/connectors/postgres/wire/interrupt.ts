/**
 * One place where whatever goes wrong first wins: `fail` ends every `wait` at once, whether or not the thing waited
 * for ever settles. Keeps no reference to waits that are over, so a million of them cost no memory.
 */
export class Interrupt {
  private cause: { error: unknown } | undefined
  private readonly waiting = new Set<(error: unknown) => void>()
  private readonly closers: ((error: unknown) => void)[] = []

  get failed(): boolean {
    return this.cause !== undefined
  }

  get error(): unknown {
    return this.cause?.error
  }

  /** Runs once, when the first failure comes; at once when it came already. */
  onFail(closer: (error: unknown) => void): void {
    if (this.cause) closer(this.cause.error)
    else this.closers.push(closer)
  }

  fail(error: unknown): void {
    if (this.cause) return
    this.cause = { error }
    for (const closer of this.closers) closer(error)
    for (const reject of this.waiting) reject(error)
    this.waiting.clear()
  }

  /** Nothing can fail any more: closers are forgotten. */
  finish(): void {
    this.closers.length = 0
  }

  /** Settles with the promise, with the first failure, or runs `onTimeout` each time `timeoutMs` have passed. */
  wait<T>(promise: Promise<T>, timeoutMs?: number, onTimeout?: () => void): Promise<T> {
    if (this.cause) {
      promise.catch(() => {})
      return Promise.reject(this.cause.error)
    }
    return new Promise<T>((resolve, reject) => {
      const timer = timeoutMs === undefined || !onTimeout ? undefined : setInterval(onTimeout, timeoutMs)
      const settle = () => {
        clearInterval(timer)
        this.waiting.delete(interrupted)
      }
      const interrupted = (error: unknown) => {
        settle()
        reject(error)
      }
      this.waiting.add(interrupted)
      promise.then(
        (value) => {
          settle()
          resolve(value)
        },
        (error) => {
          settle()
          reject(this.cause ? this.cause.error : error)
        },
      )
    })
  }
}
