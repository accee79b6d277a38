import type { ExecutionView, ResourceView } from '../../core/execution.ts'
import { failureMessage, hasEnded, time } from './receipt.ts'

type PhaseStatus = 'pending' | 'processing' | 'completed' | 'failed'

/**
 * The last run of a pipeline in the three steps that clients of this API know. We move bytes in one go, so the steps
 * are views of it: *extract* is what was read, *normalize* what became rows of the destination, *load* the publishing.
 */
export function observationOf(view: ExecutionView) {
  const failedIn = view.status === 'FAILED' ? failedStep(view) : undefined
  const error = view.status === 'FAILED' ? failureMessage(view) : null
  const copied = (resource: ResourceView) =>
    resource.copiedAtMs !== undefined || resource.phase === 'committing' || resource.phase === 'done'
  const done = (resource: ResourceView) => resource.phase === 'done'
  const begun = (resource: ResourceView) => resource.phase !== 'pending'

  const statusOf = (step: 'extract' | 'load', finished: (resource: ResourceView) => boolean, started: boolean): PhaseStatus => {
    if (failedIn === step) return 'failed'
    if (view.resources.length > 0 && view.resources.every(finished)) return 'completed'
    if (hasEnded(view)) return failedIn === 'load' ? 'completed' : 'pending'
    return started ? 'processing' : 'pending'
  }
  const extract = statusOf('extract', copied, view.resources.some(begun))
  const load = statusOf('load', done, view.resources.some(copied))
  const startedAt = earliest(view.resources.map(({ startedAtMs }) => startedAtMs)) ?? view.startedAtMs
  const copiedAt = latest(view.resources.map(({ copiedAtMs, endedAtMs }) => copiedAtMs ?? endedAtMs))
  const extractEnd = extract === 'completed' || extract === 'failed' ? (copiedAt ?? view.endedAtMs) : undefined
  const copying = { start_time: time(extract === 'pending' ? undefined : startedAt), end_time: time(extractEnd) }

  return {
    pipeline_name: view.pipeline,
    source_type: null,
    destination_type: view.destination.system,
    start_time: time(view.startedAtMs ?? view.createdAtMs),
    end_time: time(view.endedAtMs),
    status: view.status === 'SUCCESS' ? 'completed' : view.status === 'FAILED' ? 'failed' : 'processing',
    error,
    metrics: {
      extract: {
        ...copying,
        status: extract,
        error: failedIn === 'extract' ? error : null,
        resource_metrics: view.resources.filter(begun).map((resource) => ({
          name: resource.stream,
          row_count: resource.readRows ?? resource.deliveredRows,
          file_size: resource.bytes,
        })),
      },
      normalize: {
        ...copying,
        status: extract === 'failed' ? 'pending' : extract,
        error: null,
        resource_metrics: view.resources.filter(begun).map((resource) => ({
          name: resource.table,
          row_count: resource.deliveredRows,
          file_size: resource.bytes,
        })),
      },
      load: {
        start_time: time(earliest(view.resources.map(({ copiedAtMs }) => copiedAtMs))),
        end_time: time(load === 'completed' || load === 'failed' ? view.endedAtMs : undefined),
        status: load,
        error: failedIn === 'load' ? error : null,
        resource_metrics: view.resources.filter(copied).map((resource) => ({
          name: resource.table,
          start_time: time(resource.copiedAtMs),
          end_time: time(resource.endedAtMs),
        })),
      },
    },
  }
}

/** The step of the first failed resource: what failed after everything was copied, or at the destination, is loading. */
function failedStep(view: ExecutionView): 'extract' | 'load' {
  const resource = view.resources.find(({ fault }) => fault)
  const fault = resource?.fault ?? view.fault
  const side = fault && 'place' in fault ? fault.place.side : undefined
  return side === 'destination' || resource?.copiedAtMs !== undefined ? 'load' : 'extract'
}

function earliest(times: (number | undefined)[]): number | undefined {
  const known = times.filter((ms) => ms !== undefined)
  return known.length ? Math.min(...known) : undefined
}

function latest(times: (number | undefined)[]): number | undefined {
  const known = times.filter((ms) => ms !== undefined)
  return known.length ? Math.max(...known) : undefined
}
