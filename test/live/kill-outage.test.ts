import { afterAll, beforeAll, expect, it } from 'vitest'
import { Arena, type Mode } from '../support/kill/arena.ts'
import { sleep, strike } from '../support/kill/blows.ts'
import { printedRandom } from '../support/kill/random.ts'
import { expectOldOrNew, playRound, printRounds, ROUND_TIMEOUT_MS, type Round } from '../support/kill/round.ts'

const OUTAGE_MS = 20_000

const random = printedRandom('outages')
const played: Round[] = []
let arena: Arena

beforeAll(async () => {
  arena = await Arena.open()
}, ROUND_TIMEOUT_MS)
afterAll(async () => {
  printRounds('Outages', played)
  await arena?.close()
}, ROUND_TIMEOUT_MS)

it.each([
  ['ClickHouse', 'append'],
  ['Postgres', 'upsert'],
] as const)(
  '%s gone for 20 s while rows are copied: the load outlasts it',
  async (victim, mode: Mode) => {
    const server = victim === 'ClickHouse' ? arena.clickhouse : arena.postgres
    const round = await playRound(arena, { mode, victim, moment: 'after 1 chunk' }, async (load) => {
      await load.reaches(1)
      await server.kill()
      await sleep(OUTAGE_MS)
      await server.restart()
      return `kill -9, down ${OUTAGE_MS / 1000} s`
    })
    played.push(round)
    expect(round.end, round.status.message).toBe('success')
  },
  ROUND_TIMEOUT_MS,
)

it(
  'two loads of the same ends into two tables both outlast the death of ClickHouse, neither touching the other',
  async () => {
    const table = 'bystander'
    const old = await arena.oldTable(table)
    const expected = await arena.expected(table, 'append')
    const bystander = await arena.start({ identity: 'bystander', table, mode: 'append' })
    const round = await playRound(arena, { mode: 'upsert', victim: 'ClickHouse', moment: 'with two loads under way' }, async (load) => {
      await load.reaches(1)
      return await strike(arena, 'ClickHouse', random)
    })
    played.push(round)
    const status = await bystander.end()
    expect(status.status, status.message).toBe('success')
    await expectOldOrNew(arena, table, status, old, expected, 'another load beside it')
  },
  ROUND_TIMEOUT_MS,
)
