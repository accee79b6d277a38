import { z } from 'zod'
import type { CursorRange } from '../../core/chunk.ts'
import { textFormOfTime } from './timestamps.ts'
import { valueError } from './validation.ts'

const position = z
  .union([z.number(), z.string()], { error: 'Input should be a valid integer or datetime' })
  .superRefine((value, context) => {
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      const message = valueError('A JSON number this large is not exact; write it as a string')
      context.addIssue({ code: 'custom', message, input: value })
    } else if (positionText(value) === undefined) {
      context.addIssue({ code: 'custom', message: 'Input should be a valid integer or datetime', input: value })
    }
  })
  .describe('An integer, or a date or time; integers beyond 2^53 as a string.')

/** Which rows, by a column that grows. The output is a cursor range of the core. */
export const incrementalConfig = z
  .object({
    incremental_key: z.string().min(1, valueError('Field must be provided')).describe('The column that grows: an id, a time of change.'),
    start_position: position.nullish(),
    end_position: position.nullish().describe('With an end the range is loaded once and nothing is remembered (backfill).'),
    lag_window: z
      .number()
      .min(0, 'Input should be greater than or equal to 0')
      .nullish()
      .describe('Read again this far behind the position: seconds for dates and times, units of the column for numbers.'),
    boundary_mode: z
      .enum(['start-end', 'start', 'end', 'between'])
      .nullish()
      .describe('Which of the two positions belong to the range: both, the start, the end, or neither (as when absent).'),
  })
  .superRefine((config, context) => {
    const { start, end } = positions(config)
    if (start === undefined || end === undefined) return
    const order = compare(start, end)
    if (order !== undefined && order <= 0) return
    const message = valueError(
      order === undefined ? 'start_position and end_position must be of one kind' : 'end_position must not be before start_position',
    )
    context.addIssue({ code: 'custom', path: ['end_position'], message, input: config })
  })

/** The ends speak of the positions given here; where later runs begin is decided by how they write. */
export function cursorOf(config: z.output<typeof incrementalConfig>): CursorRange & { keepsState: boolean } {
  const { start, end } = positions(config)
  const mode = config.boundary_mode ?? 'between'
  return {
    column: config.incremental_key,
    ...(start === undefined ? {} : { start }),
    startInclusive: mode === 'start' || mode === 'start-end',
    ...(end === undefined ? {} : { end }),
    endInclusive: mode === 'end' || mode === 'start-end',
    ...(config.lag_window ? { lag: config.lag_window } : {}),
    keepsState: end === undefined,
  }
}

function positions(config: { start_position?: string | number | null; end_position?: string | number | null }) {
  return { start: positionText(config.start_position), end: positionText(config.end_position) }
}

/** Text form of a cursor value; undefined when there is none, or it is none. */
function positionText(value: string | number | null | undefined): string | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  return /^[+-]?\d{1,78}$/.test(value) ? BigInt(value.replace('+', '')).toString() : textFormOfTime(value)
}

function compare(a: string, b: string): number | undefined {
  if (kind(a) !== kind(b)) return undefined
  if (kind(a) === 'integer') return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0
  return a < b ? -1 : a > b ? 1 : 0
}

function kind(text: string): 'integer' | 'local' | 'zoned' {
  if (/^-?\d+$/.test(text)) return 'integer'
  return text.endsWith('+00') ? 'zoned' : 'local'
}
