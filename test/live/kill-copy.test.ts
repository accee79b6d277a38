import { afterAll, beforeAll, expect, it } from 'vitest'
import { Arena, type Mode } from '../support/kill/arena.ts'
import { sleep, strike, type Victim } from '../support/kill/blows.ts'
import { printedRandom, roundsOf } from '../support/kill/random.ts'
import { playRound, printRounds, ROUND_TIMEOUT_MS, type Round } from '../support/kill/round.ts'

const VICTIMS: readonly Victim[] = [
  'worker',
  'ClickHouse',
  'copy session',
  'Postgres',
  'snapshot session',
  'worker twice',
  'copy backend',
  'ClickHouse',
  'both ends',
  'snapshot backend',
  'worker',
  'everything',
]
const MODES: readonly Mode[] = ['append', 'upsert', 'replace']

const random = printedRandom('kills while rows are copied')
const played: Round[] = []
let arena: Arena

beforeAll(async () => {
  arena = await Arena.open()
}, ROUND_TIMEOUT_MS)
afterAll(async () => {
  printRounds('Killed while rows were copied', played)
  await arena?.close()
}, ROUND_TIMEOUT_MS)

for (let at = 0; at < roundsOf(VICTIMS.length); at++) {
  const victim = VICTIMS[at % VICTIMS.length] as Victim
  const mode = MODES[(at + Math.floor(at / VICTIMS.length)) % MODES.length] as Mode
  const chunks = random.between(0, 6)
  const afterMs = random.between(0, 120)
  it(
    `killing ${victim} ${afterMs} ms after ${chunks} chunks leaves the table of ${mode} exactly new or exactly old (${at + 1})`,
    async () => {
      const moment = `${afterMs} ms after ${chunks} chunks`
      const round = await playRound(arena, { mode, victim, moment }, async (load) => {
        const reached = await load.reaches(chunks)
        await sleep(afterMs)
        const how = await strike(arena, victim, random)
        return reached ? how : `${how}; too late`
      })
      played.push(round)
      // Everything came back within seconds, so the load had no reason to give up.
      expect(round.end, JSON.stringify(round.status.receipt.resources[0]?.fault)).toBe('success')
    },
    ROUND_TIMEOUT_MS,
  )
}
