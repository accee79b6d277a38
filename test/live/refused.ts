import { expect } from 'vitest'
import type { FaultTag } from '../../src/core/errors.ts'
import type { Answer, Workbench } from './workbench.ts'

/** Everything a reader of the destination could notice: tables (staging ones too), their structure, rows and contents. */
export type DestinationState = { table: string; create: string; rows: string; hash: string }[]

export async function destinationState(bench: Pick<Workbench, 'destination' | 'clickhouse'>): Promise<DestinationState> {
  const tables = await bench.destination<{ name: string; create: string; engine: string }>(
    `SELECT name, create_table_query AS create, engine FROM system.tables WHERE database = '${bench.clickhouse}' ORDER BY name`,
  )
  const state: DestinationState = []
  for (const { name, create, engine } of tables) {
    const [found] = /View$/.test(engine)
      ? []
      : await bench.destination<{ rows: string; hash: string }>(
          `SELECT toString(count()) AS rows, toString(sum(cityHash64(*))) AS hash FROM \`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``,
        )
    state.push({ table: name, create: create.replace(/ UUID '[^']*'/, ''), rows: found?.rows ?? '', hash: found?.hash ?? '' })
  }
  return state
}

export interface Refusal {
  status: number
  tag: FaultTag
  /** What the message must say of the cause. */
  cause: string | RegExp
  /** Which end. */
  side?: 'source' | 'destination'
  /** What the message must say about where: an address, a table, a column. */
  place: (string | RegExp)[]
  /** What the message must say about what to do. */
  remedy: string | RegExp
  code?: string | RegExp
}

/** A load that failed says so in this API's own shape: cause, place and remedy, in words and in parts, and nothing secret. */
export function expectRefused(answer: Answer, expected: Refusal, secrets: string[] = []): void {
  const whole = JSON.stringify(answer.body)
  const first = answer.body?.failed?.[0]
  const seen = { status: answer.status, tag: first?.fault?.tag, message: answer.body?.message }
  expect(seen).toEqual({ status: expected.status, tag: expected.tag, message: expect.any(String) })
  expect(answer.body.status).toBe('error')
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  const { fault } = first
  expect(fault.message).toMatch(expected.cause)
  for (const place of expected.place) expect(fault.message).toMatch(place)
  if (expected.side) expect(fault.place.side).toBe(expected.side)
  expect(fault.remedy).toMatch(expected.remedy)
  expect(fault.remedy.length).toBeGreaterThan(10)
  expect(fault.message).toContain(fault.remedy)
  expect(answer.body.message).toContain(fault.message)
  if (expected.code !== undefined) expect(fault.code).toMatch(expected.code)
  expect(answer.body.receipt).toMatchObject({ status: 'error', state: 'failed', ended_at: expect.any(String) })
  expectNoSecrets(whole, secrets)
}

/** Credentials inside a URI, and those named. */
export function expectNoSecrets(text: string, secrets: string[]): void {
  expect(text).not.toMatch(/:\/\/[^/@\s"]+:[^/@\s"]+@/)
  for (const secret of secrets) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(encodeURIComponent(secret))
  }
}

/** A request that is not valid: 422 with `errors`, one list of messages per field. */
export function expectInvalid(answer: Answer, field: string, message: string | RegExp, secrets: string[] = []): void {
  expect({ status: answer.status, errors: answer.body?.errors }).toEqual({
    status: 422,
    errors: { [field]: [expect.stringMatching(message)] },
  })
  expect(Object.keys(answer.body)).toEqual(['errors'])
  expectNoSecrets(JSON.stringify(answer.body), secrets)
}

/** Does something that must be refused, and checks that the destination is as it was. */
export async function refusedAndAsBefore(
  bench: Workbench,
  load: () => Promise<Answer>,
  expected: Refusal,
  secrets?: string[],
): Promise<Answer> {
  const before = await destinationState(bench)
  const answer = await load()
  expectRefused(answer, expected, secrets)
  expect(await destinationState(bench)).toEqual(before)
  return answer
}
