/** A repeatable source of choices: the same seed gives the same ones. */
export interface Random {
  readonly seed: number
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number
  pick<T>(choices: readonly T[]): T
}

/** The seed of SLUICE_SEED, or a new one; printed, so that a run that failed can be repeated. */
export function printedRandom(what: string): Random {
  const given = Number(process.env.SLUICE_SEED)
  const seed = Number.isSafeInteger(given) && given > 0 ? given : Math.ceil(Math.random() * 2 ** 31)
  console.log(`${what}: seed ${seed} (repeat with SLUICE_SEED=${seed})`)
  return randomOf(seed)
}

/** mulberry32. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  const real = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (from: number, to: number) => from + Math.floor(real() * (to - from + 1))
  return {
    seed,
    between,
    pick<T>(choices: readonly T[]): T {
      return choices[between(0, choices.length - 1)] as T
    },
  }
}

/** Rounds a test plays: as many as given, times SLUICE_KILL_ROUNDS for a soak. */
export function roundsOf(count: number): number {
  return count * Math.max(1, Number(process.env.SLUICE_KILL_ROUNDS) || 1)
}
