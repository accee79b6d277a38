import { afterAll, beforeAll, expect, it } from 'vitest'
import { Arena, type Mode } from '../support/kill/arena.ts'
import { killNow, sleep } from '../support/kill/blows.ts'
import { type CommitMoment, onCommit } from '../support/kill/directory-watch.ts'
import { printedRandom, roundsOf } from '../support/kill/random.ts'
import { playRound, printRounds, ROUND_TIMEOUT_MS, type Round } from '../support/kill/round.ts'

// Publishing takes some tens of milliseconds: a timer hides what a kill at the right change of the directory shows.
const VICTIMS = ['ClickHouse', 'ClickHouse', 'ClickHouse', 'worker', 'ClickHouse', 'ClickHouse', 'ClickHouse', 'worker'] as const
const MODES: readonly Mode[] = ['append', 'upsert', 'replace']
const ROUNDS = 16

const random = printedRandom('kills while loads are published')
const played: Round[] = []
let arena: Arena

beforeAll(async () => {
  arena = await Arena.open()
}, ROUND_TIMEOUT_MS)
afterAll(async () => {
  printRounds('Killed while loads were published', played)
  await arena?.close()
}, ROUND_TIMEOUT_MS)

const total = roundsOf(ROUNDS)
for (let at = 0; at < total; at++) {
  const victim = VICTIMS[at % VICTIMS.length] as (typeof VICTIMS)[number]
  const mode = MODES[at % MODES.length] as Mode
  const moment = momentOf()
  it(
    `killing ${victim} ${textOf(moment)} leaves the table of ${mode} exactly new or exactly old (${at + 1})`,
    async () => {
      const deadMs = random.between(0, 500)
      let trap: ReturnType<typeof onCommit> | undefined
      const round = await playRound(
        arena,
        { mode, victim, moment: textOf(moment) },
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
          trap = onCommit(arena, table, moment, () => killNow(arena, victim))
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

function momentOf(): CommitMoment {
  const at = random.pick(['shadow', 'shadow', 'exchange', 'exchange', 'drop'] as const)
  if (at === 'exchange') return { at }
  return { at, change: at === 'shadow' ? random.between(0, 30) : random.between(1, 8) }
}

function textOf(moment: CommitMoment): string {
  if (moment.at === 'exchange') return 'at the exchange'
  return moment.at === 'shadow' ? `at change ${moment.change} of the shadow` : `at change ${moment.change} after the exchange`
}
