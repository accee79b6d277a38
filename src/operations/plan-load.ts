import { destinationEnd, sourceEnd } from '../connectors/registry.ts'
import type { ResourceView } from '../core/execution.ts'
import { cursorKey, findCursor } from '../store/executions.ts'
import { chunkBytesFor } from '../transfer/chunk-size.ts'
import { planResource } from '../transfer/plan-resource.ts'
import type { Deps } from './create-operations.ts'
import type { Caller, LoadCommand, LoadPlan, ResourceCommand } from './operations.ts'

/** Plans every resource and changes nothing. The first fault ends it: a dry run is for finding them. */
export async function planLoad(deps: Deps, caller: Caller, command: LoadCommand): Promise<LoadPlan> {
  const io = deps.io(new AbortController().signal)
  const [sourceOf, destinationOf] = [sourceEnd(command.sourceUri), destinationEnd(command.destinationUri)]
  const [source, destination] = [sourceOf.open(io), destinationOf.open(io)]
  try {
    const resources: LoadPlan['resources'] = []
    for (const resource of command.resources) {
      const keptCursor = resource.cursor?.keepsState
        ? await findCursor(deps.env.DB, cursorKey(caller.workspaceId, command.pipeline, resource))
        : undefined
      const planned = await planResource(source, destination, {
        resource,
        ...(command.dataset !== undefined && { dataset: command.dataset }),
        unrepresentable: command.unrepresentable,
        startedAtMs: Date.now(),
        ...(keptCursor !== undefined && { keptCursor }),
      })
      const chunkBytes = chunkBytesFor(planned.description.estimatedBytes, deps.settings.CHUNK_BYTES)
      resources.push({ ...plannedView(resource, planned, chunkBytes), chunkBytes, because: planned.lane.because })
    }
    return {
      source: { system: sourceOf.system, address: sourceOf.address },
      destination: { system: destinationOf.system, address: destinationOf.address },
      resources,
    }
  } finally {
    await Promise.allSettled([source.close(), destination.close()])
  }
}

function plannedView(resource: ResourceCommand, planned: Awaited<ReturnType<typeof planResource>>, chunkBytes: number): ResourceView {
  const { description, targetPlan, lane } = planned
  return {
    stream: resource.stream,
    table: targetPlan.target.table,
    mode: resource.mode.type,
    phase: 'pending',
    lane: lane.because,
    schema: targetPlan.target.schema,
    columns: targetPlan.columns,
    statements: targetPlan.statements,
    notes: [...description.notes, ...targetPlan.notes],
    consistency: description.consistency,
    chunksDone: 0,
    chunksTotal: Math.max(1, Math.ceil((description.estimatedBytes ?? 0) / chunkBytes)),
    allPlanned: false,
    estimatedRows: description.estimatedRows,
    estimatedBytes: description.estimatedBytes,
    bytes: 0,
    deliveredRows: 0,
  }
}
