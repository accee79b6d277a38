/** Ends everything that was started, in reverse, exactly once: at the end, on a failure and on a signal. */
export class Shutdown {
  private readonly stops: { what: string; stop: () => Promise<void> }[] = []
  private running: Promise<boolean> | undefined

  /** Starts something and remembers how to stop it, also while it is still starting. */
  async start<T>(what: string, starting: Promise<T>, stop: (started: T) => Promise<void>): Promise<T> {
    this.stops.push({
      what,
      stop: async () => {
        const started = await starting.then(
          (value) => ({ value }),
          () => undefined,
        )
        if (started) await stop(started.value)
      },
    })
    return await starting
  }

  /** @returns false when something could not be stopped; it is named on stderr. */
  async now(): Promise<boolean> {
    this.running ??= this.stopAll()
    return await this.running
  }

  get isRunning(): boolean {
    return this.running !== undefined
  }

  private async stopAll(): Promise<boolean> {
    let clean = true
    for (const { what, stop } of this.stops.reverse()) {
      try {
        await within(STOP_DEADLINE_MS, stop())
      } catch (error) {
        clean = false
        process.stderr.write(`${what} did not stop: ${error instanceof Error ? error.message : String(error)}\n`)
      }
    }
    return clean
  }
}

/** A server's start has a deadline of its own, which may have to pass first. */
const STOP_DEADLINE_MS = 75_000

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms / 1000} s`)), ms)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/**
 * Runs `main` and always stops what it started: when it returns, throws, or the user or system asks it to end.
 * The exit code is what `main` returns, 1 after an error, 128 + the signal's number after a signal (0 where `main` said
 * that it only waits for one).
 */
export async function runUntilStopped(main: (shutdown: Shutdown, waitForSignal: () => Promise<never>) => Promise<number>): Promise<never> {
  const shutdown = new Shutdown()
  let waits = false
  let ending = false
  const end = async (code: number): Promise<never> => {
    // What fails because everything is being stopped does not decide how it ended.
    if (ending) return await new Promise<never>(() => {})
    ending = true
    const clean = await shutdown.now()
    process.exit(clean ? code : code || 1)
  }
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    // Libraries have handlers that end this process before everything has stopped.
    process.removeAllListeners(signal)
    process.on(signal, () => {
      if (!ending) process.stderr.write('\nStopping …\n')
      void end(waits ? 0 : code)
    })
  }
  process.stdout.on('error', () => void end(1))
  try {
    const code = await main(shutdown, () => {
      waits = true
      return new Promise<never>(() => {})
    })
    return await end(code)
  } catch (error) {
    if (!ending) process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`)
    return await end(1)
  }
}
