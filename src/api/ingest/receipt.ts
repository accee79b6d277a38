import type { ExecutionView, HealingAction, ResourceView } from '../../core/execution.ts'
import type { LoadPlan } from '../../operations/operations.ts'
import { faultView, messageOf } from './faults.ts'

export type WireStatus = 'success' | 'processing' | 'error'

export function hasEnded({ status }: ExecutionView): boolean {
  return status === 'SUCCESS' || status === 'FAILED'
}

export function wireStatus(view: ExecutionView): WireStatus {
  switch (view.status) {
    case 'SUCCESS':
      return 'success'
    case 'FAILED':
      return 'error'
    case 'PENDING':
    case 'RUNNING':
    case 'HEALING':
      return 'processing'
  }
}

/** What was delivered, per table, with the proof; also what is known so far of a run that goes on. */
export function receiptOf(view: ExecutionView) {
  return {
    execution_id: view.id,
    pipeline_name: view.pipeline,
    status: wireStatus(view),
    state: view.status.toLowerCase(),
    cancel_requested: view.cancelRequested,
    source: view.source,
    destination: view.destination,
    created_at: time(view.createdAtMs),
    started_at: time(view.startedAtMs),
    ended_at: time(view.endedAtMs),
    duration_seconds: seconds(view.startedAtMs, view.endedAtMs),
    resources: view.resources.map(resourceReceipt),
    healing: view.healing.map(healingView),
    fault: view.fault ? faultView(view.fault) : null,
  }
}

function resourceReceipt(resource: ResourceView) {
  return {
    source_table_name: resource.stream,
    destination_table_name: resource.table,
    write_disposition: resource.mode,
    phase: resource.phase,
    lane: resource.lane ?? null,
    consistency: resource.consistency ?? null,
    rows: {
      read: resource.readRows ?? null,
      delivered: resource.deliveredRows,
      found: resource.foundRows ?? null,
      folded: resource.foldedRows ?? null,
      in_table: resource.tableRows ?? null,
    },
    checksum: resource.checksum
      ? {
          method: resource.checksum.method,
          fields: resource.checksum.fields ?? null,
          source: resource.checksum.source ?? null,
          destination: resource.checksum.destination ?? null,
          equal: resource.checksum.equal,
        }
      : null,
    chunks: { done: resource.chunksDone, total: resource.chunksTotal, all_planned: resource.allPlanned },
    bytes: resource.bytes,
    bytes_per_second: resource.bytesPerSecond ?? null,
    eta_seconds: resource.etaSeconds ?? null,
    estimated_rows: resource.estimatedRows ?? null,
    estimated_bytes: resource.estimatedBytes ?? null,
    started_at: time(resource.startedAtMs),
    ended_at: time(resource.endedAtMs),
    copy_seconds: seconds(resource.startedAtMs, resource.copiedAtMs),
    commit_seconds: seconds(resource.copiedAtMs, resource.endedAtMs),
    statements: resource.statements ?? [],
    notes: resource.notes,
    fault: resource.fault ? faultView(resource.fault) : null,
  }
}

function healingView({ rule, cause, before, after, attempt, atMs }: HealingAction) {
  return { rule, cause: faultView(cause), before, after, attempt, at: time(atMs) }
}

/** One sentence or two for people: what failed and why, and what was loaded all the same. */
export function failureMessage(view: ExecutionView): string {
  const failed = view.resources.filter((resource) => resource.fault)
  const first = failed[0]?.fault ?? view.fault
  if (!first) return 'The execution failed'
  if (view.resources.length < 2 || !failed.length) return messageOf(view.fault ?? first)
  const loaded = view.resources.filter(({ phase }) => phase === 'done').map(({ stream }) => stream)
  const told = failed.slice(0, 10).map(({ stream, fault }) => `${stream}: ${fault ? messageOf(fault) : ''}`)
  const more = failed.length > told.length ? ` And ${failed.length - told.length} more.` : ''
  const rest = loaded.length ? ` Loaded: ${loaded.slice(0, 100).join(', ')}${loaded.length > 100 ? ', …' : ''}.` : ' Nothing was loaded.'
  return `${failed.length} of ${view.resources.length} resources failed. ${told.join(' ')}${more}${rest}`
}

/** What changes while it runs: small enough to be sent every second. */
export function progressOf(view: ExecutionView) {
  return {
    execution_id: view.id,
    pipeline_name: view.pipeline,
    status: wireStatus(view),
    state: view.status.toLowerCase(),
    resources: view.resources.map((resource) => ({
      source_table_name: resource.stream,
      destination_table_name: resource.table,
      phase: resource.phase,
      rows: resource.deliveredRows,
      estimated_rows: resource.estimatedRows ?? null,
      bytes: resource.bytes,
      estimated_bytes: resource.estimatedBytes ?? null,
      bytes_per_second: resource.bytesPerSecond ?? null,
      chunks_done: resource.chunksDone,
      chunks_total: resource.chunksTotal,
      all_planned: resource.allPlanned,
      eta_seconds: resource.etaSeconds ?? null,
    })),
    healing_actions: view.healing.length,
  }
}

/** What a load would do. */
export function planView(plan: LoadPlan) {
  return {
    source: plan.source,
    destination: plan.destination,
    resources: plan.resources.map((resource) => ({
      source_table_name: resource.stream,
      destination_table_name: resource.table,
      write_disposition: resource.mode,
      statements: resource.statements ?? [],
      columns: (resource.columns ?? []).map(({ field, destinationColumn, destinationType, loss }) => ({
        name: field.name,
        source_type: field.sourceType ?? null,
        type: field.type,
        nullable: field.nullable,
        destination_column: destinationColumn,
        destination_type: destinationType,
        loss: [field.loss, loss].filter(Boolean).join('; ') || null,
      })),
      lane: resource.lane ?? null,
      because: resource.because,
      chunks: resource.chunksTotal,
      chunk_bytes: resource.chunkBytes,
      estimated_rows: resource.estimatedRows ?? null,
      estimated_bytes: resource.estimatedBytes ?? null,
      consistency: resource.consistency ?? null,
      notes: resource.notes,
      fault: resource.fault ? faultView(resource.fault) : null,
    })),
  }
}

export function time(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

function seconds(fromMs: number | undefined, toMs: number | undefined): number | null {
  return fromMs === undefined || toMs === undefined ? null : Math.max(0, toMs - fromMs) / 1000
}
