import { afterAll, beforeAll, expect, it } from 'vitest'
import { Arena } from '../support/kill/arena.ts'
import { killNow, sleep, strike } from '../support/kill/blows.ts'
import { onChange } from '../support/kill/directory-watch.ts'
import { printedRandom, roundsOf } from '../support/kill/random.ts'
import { playRound, printRounds, ROUND_TIMEOUT_MS, type Round } from '../support/kill/round.ts'

const CURSOR_RUNS = 10
const ROWS_PER_RUN = 5_000

const random = printedRandom('kills of the worker at chosen points')
const played: Round[] = []
let arena: Arena

beforeAll(async () => {
  arena = await Arena.open()
}, ROUND_TIMEOUT_MS)
afterAll(async () => {
  printRounds('Worker killed at chosen points', played)
  await arena?.close()
}, ROUND_TIMEOUT_MS)

it(
  'killing the worker while it plans does not keep the load from its end',
  async () => {
    const afterMs = random.between(0, 150)
    const round = await playRound(arena, { mode: 'replace', victim: 'worker', moment: `${afterMs} ms after 202, planning` }, async () => {
      await sleep(afterMs)
      return await strike(arena, 'worker', random)
    })
    played.push(round)
    expect(round.end).toBe('success')
  },
  ROUND_TIMEOUT_MS,
)

it(
  'killing the worker while it cleans up after a cancel leaves the old table and no staging',
  async () => {
    const afterMs = random.between(0, 150)
    const round = await playRound(
      arena,
      { mode: 'append', victim: 'worker', moment: `${afterMs} ms after a cancel, cleaning` },
      async (load) => {
        await load.reaches(2)
        await load.cancel()
        await sleep(afterMs)
        return await strike(arena, 'worker', random)
      },
    )
    played.push(round)
    // A cancel that comes when the load is being published already is too late, as documented.
    expect(['failed', 'success']).toContain(round.end)
  },
  ROUND_TIMEOUT_MS,
)

it(
  'over many runs, each killed somewhere, the cursor moves exactly once per run: no row is lost or doubled',
  async () => {
    await arena.postgres.query(`CREATE TABLE ticks (id bigint PRIMARY KEY, n bigint NOT NULL, s text NOT NULL)`)
    let last = 0
    for (let run = 0; run < roundsOf(CURSOR_RUNS); run++) {
      await arena.postgres.query(
        `INSERT INTO ticks SELECT g, g, md5(g::text) FROM generate_series(${last + 1}, ${last + ROWS_PER_RUN}) g; ANALYZE ticks`,
      )
      last += ROWS_PER_RUN
      // Half of the kills fall between the commit and the end, where the cursor is stored.
      const late = run > 0 && run % 2 === 1
      const afterMs = late ? random.between(0, 120) : random.between(0, 1_500)
      const trap = late
        ? onChange(arena, 'ticks', { of: 'exchange' }, () => setTimeout(() => killNow(arena, 'worker'), afterMs))
        : undefined
      const startMs = Date.now()
      const load = await arena.start({ identity: 'ticks', table: 'ticks', mode: 'append', stream: 'ticks', cursor: 'id' })
      if (trap) {
        void load.end().then(trap.disarm, trap.disarm)
        if (await trap.struck) await sleep(afterMs)
      } else await sleep(afterMs)
      const how = await strike(arena, 'worker', random)
      const { receipt, message } = await load.end()
      played.push({
        mode: 'append',
        victim: 'worker',
        moment: late ? `${afterMs} ms after the exchange` : `${afterMs} ms after 202`,
        how,
        seconds: (Date.now() - startMs) / 1000,
        end: receipt.state,
        healing: [...new Set(receipt.healing.map((action) => action.rule))].join(' '),
        sweeps: load.sweeps,
      })
      expect(receipt.state, message).toBe('success')
      expect(
        await arena.content('ticks'),
        `after run ${run + 1}, killed ${afterMs} ms ${late ? 'after the exchange' : 'after 202'}`,
      ).toEqual(await arena.sourceContent('ticks'))
      expect(await arena.staging()).toEqual([])
    }
  },
  roundsOf(CURSOR_RUNS) * ROUND_TIMEOUT_MS,
)

it('alarms alone brought almost every run to its end', () => {
  expect(played.filter((round) => round.sweeps > 0).length).toBeLessThanOrEqual(played.length / 5)
})
