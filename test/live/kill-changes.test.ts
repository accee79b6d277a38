import { afterAll, beforeAll, expect, it } from 'vitest'
import { Arena, type Mode } from '../support/kill/arena.ts'
import { killNow, sleep } from '../support/kill/blows.ts'
import { type Change, onChange, type Trap } from '../support/kill/directory-watch.ts'
import { printedRandom, roundsOf } from '../support/kill/random.ts'
import { playRound, printRounds, ROUND_TIMEOUT_MS, type Round } from '../support/kill/round.ts'

// Publishing takes some tens of milliseconds: a timer hides what a kill at the right change of the data directory shows.
const VICTIMS = ['ClickHouse', 'ClickHouse', 'ClickHouse', 'worker', 'ClickHouse', 'ClickHouse', 'ClickHouse', 'worker'] as const
const MODES: readonly Mode[] = ['append', 'upsert', 'append', 'upsert', 'replace']
const ROUNDS = 16

const random = printedRandom('kills at changes of the data directory')
const played: Round[] = []
let arena: Arena

beforeAll(async () => {
  arena = await Arena.open()
}, ROUND_TIMEOUT_MS)
afterAll(async () => {
  printRounds('Killed at changes of the data directory of ClickHouse', played)
  await arena?.close()
}, ROUND_TIMEOUT_MS)

const total = roundsOf(ROUNDS)
for (let at = 0; at < total; at++) {
  const victim = VICTIMS[at % VICTIMS.length] as (typeof VICTIMS)[number]
  const mode = MODES[at % MODES.length] as Mode
  const change = changeOf(at)
  it(
    `killing ${victim} ${textOf(change)} leaves the table of ${mode} exactly new or exactly old (${at + 1})`,
    async () => {
      const deadMs = random.between(0, 500)
      let trap: Trap | undefined
      const round = await playRound(
        arena,
        { mode, victim, moment: textOf(change) },
        async (load) => {
          void load.end().then(
            () => trap?.disarm(),
            () => trap?.disarm(),
          )
          if (!(await trap?.struck)) return 'the moment did not come'
          await sleep(deadMs)
          const server = victim === 'worker' ? arena.sluice : arena.clickhouse
          await server.kill()
          await server.restart()
          return `kill -9, down ${deadMs} ms`
        },
        (table) => {
          trap = onChange(arena, table, change, () => killNow(arena, victim))
        },
      )
      played.push(round)
      expect(round.end, JSON.stringify(round.status.receipt.resources[0]?.fault)).toBe('success')
    },
    ROUND_TIMEOUT_MS,
  )
}

it('most kills met the change they waited for', () => {
  expect(played.filter((round) => round.how.startsWith('kill')).length).toBeGreaterThan(total / 2)
})

function changeOf(at: number): Change {
  const kinds = ['stage', 'shadow', 'exchange', 'shadow', 'exchange', 'drop'] as const
  // Shifted, so that each victim meets each kind.
  const of = kinds[(at + Math.floor(at / VICTIMS.length)) % kinds.length]
  if (of === 'stage') return { of, chunk: random.between(0, 6) }
  if (of === 'shadow') return { of, change: random.between(0, 30) }
  if (of === 'drop') return { of, change: random.between(1, 8) }
  return { of: 'exchange' }
}

function textOf(change: Change): string {
  switch (change.of) {
    case 'stage':
      return `when chunk ${change.chunk + 1} is written and not answered`
    case 'shadow':
      return `at change ${change.change} of the shadow`
    case 'exchange':
      return 'at the exchange'
    case 'drop':
      return `at change ${change.change} after the exchange`
  }
}
