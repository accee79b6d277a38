import type { ColumnRules, CursorRange, StreamDescription, TargetPlan, WriteMode } from '../core/chunk.ts'
import type { Destination, Source } from '../core/connector.ts'
import { IngestError } from '../core/errors.ts'
import { chooseLane, type LaneChoice, laneName } from './choose-lane.ts'
import { mapSchema } from './map-columns.ts'

export interface ResourcePlanRequest {
  resource: { stream: string; table?: string; mode: WriteMode; rules: ColumnRules; cursor?: CursorRange }
  dataset?: string
  unrepresentable: 'fail' | 'null'
  startedAtMs: number
  /** Where the last successful run ended; text form. */
  keptCursor?: string
}

/** Finds out everything that is decided before a byte moves; changes nothing. Used by runs and by dry runs alike. */
export async function planResource(
  source: Source,
  destination: Destination,
  request: ResourcePlanRequest,
): Promise<{ description: StreamDescription; targetPlan: TargetPlan; lane: LaneChoice }> {
  const { resource } = request
  const description = await source.describe({
    stream: resource.stream,
    rules: resource.rules,
    ...(resource.cursor && { cursor: behind(resource.cursor, request.keptCursor, resource.mode) }),
  })
  const changesColumns = resource.rules.exclude.length + resource.rules.pseudonymize.length > 0 && !description.rulesApplied
  const lane = chooseLane(description.emits, destination.accepts, changesColumns)
  if (!lane) {
    throw new IngestError({
      tag: 'unsupported',
      message: `The source sends ${description.emits.map(laneName).join(', ')} and the destination takes ${destination.accepts.map(laneName).join(', ')}`,
      place: { resource: resource.stream },
      remedy: 'Use another format or another destination.',
    })
  }
  const targetPlan = await destination.plan({
    ...(request.dataset !== undefined && { dataset: request.dataset }),
    table: resource.table ?? description.defaultTable,
    schema: description.rulesApplied ? description.schema : mapSchema(description.schema, resource.rules),
    mode: resource.mode,
    sourceKey: description.key,
    unrepresentable: request.unrepresentable,
    startedAtMs: request.startedAtMs,
  })
  return { description, targetPlan, lane }
}

/** A merge folds what it meets twice, so it may start at the last value again and miss no late row of the same value. */
function behind(cursor: CursorRange, kept: string | undefined, mode: WriteMode): CursorRange {
  const { column, start, startInclusive, end, endInclusive, lag } = cursor
  const plain = { column, startInclusive, endInclusive, ...(start !== undefined && { start }), ...(end !== undefined && { end }) }
  if (kept === undefined) return plain
  const merges = mode.type !== 'append' && mode.type !== 'replace'
  return { ...plain, start: kept, startInclusive: merges || lag !== undefined, ...(lag !== undefined && { lag }) }
}
