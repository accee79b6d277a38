import { expect } from 'vitest'
import type { Arena, Content, Mode } from './arena.ts'
import { plus } from './arena.ts'
import type { FollowedLoad, Status } from './followed-load.ts'

/** Far more than a round needs: a machine that does much else is slow, and a load that hangs is told by its own deadline. */
export const ROUND_TIMEOUT_MS = 300_000

/** One kill and what came of it. */
export interface Round {
  mode: Mode
  victim: string
  moment: string
  how: string
  /** How many seconds from the start of the load to its end. */
  seconds: number
  end: string
  healing: string
  sweeps: number
}

let rounds = 0

/**
 * Plays one round: a table with old content, a load into it, `blow` at some moment, the end, and what must be true then
 * whatever was killed: exactly old or exactly new, as the status says; nothing left over; the way free for the next load.
 */
export async function playRound(
  arena: Arena,
  round: { mode: Mode; victim: string; moment: string },
  blow: (load: FollowedLoad, table: string) => Promise<string>,
  before: (table: string) => void = () => {},
): Promise<Round & { status: Status }> {
  const table = `round_${++rounds}`
  const identity = `round-${rounds}`
  const old = await arena.oldTable(table)
  const expected = await arena.expected(table, round.mode)
  before(table)
  const startMs = Date.now()
  const load = await arena.start({ identity, table, mode: round.mode })
  const how = await blow(load, table)
  const status = await load.end()
  const seconds = (Date.now() - startMs) / 1000
  const what = `${round.mode}, ${round.victim} killed ${round.moment} (${how}), load ${load.id}: ${status.message}`
  await expectOldOrNew(arena, table, status, old, expected, what)
  const few = await arena.loadFew(identity, table)
  const now = status.status === 'success' ? expected : old
  expect(await arena.content(table), `after the next load: ${what}`).toEqual(plus(now, few))
  expect(await arena.staging(), `after the next load: ${what}`).toEqual([])
  await arena.drop(table)
  const healing = [...new Set(status.receipt.healing.map((action) => action.rule))].join(' ')
  return { ...round, how, seconds, end: status.receipt.state, healing, sweeps: load.sweeps, status }
}

/** The promise of every load, however it ended. */
export async function expectOldOrNew(
  arena: Arena,
  table: string,
  status: Status,
  old: Content,
  expected: Content,
  what: string,
): Promise<void> {
  expect(await arena.staging(), `staging left by ${what}`).toEqual([])
  const content = await arena.content(table)
  if (status.status === 'error') {
    expect(content, `FAILED must leave the old rows: ${what}`).toEqual(old)
    return
  }
  expect(content, `SUCCESS must leave the new rows: ${what}`).toEqual(expected)
  const { rows, checksum } = status.receipt.resources[0] ?? {}
  expect(rows, `receipt of ${what}`).toEqual({
    read: arena.source.rows,
    delivered: arena.source.rows,
    found: arena.source.rows,
    folded: 0,
    in_table: expected.rows,
  })
  expect(checksum?.equal ?? true).toBe(true)
}

/** Says what was killed when, and how it ended. */
export function printRounds(title: string, played: readonly Round[]): void {
  const columns = ['mode', 'victim', 'moment', 'how', 'end', 'seconds', 'healing', 'sweeps'] as const
  const lines = [columns.map(String), ...played.map((round) => columns.map((column) => String(round[column])))]
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  const text = lines.map((line) => line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')).join('\n')
  const ended = (state: string) => played.filter((round) => round.end === state).length
  console.log(`${title}: ${played.length} rounds, ${ended('success')} SUCCESS, ${ended('failed')} FAILED\n${text}`)
}
