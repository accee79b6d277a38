import { CHECKSUM_METHOD } from '../core/checksum.ts'
import type { ChecksumView, ExecutionStatus, ExecutionView, ResourcePhase, ResourceView } from '../core/execution.ts'
import type { Ledger, ResourceDocuments, ResourceFacts, Run } from './ledger.ts'
import type { Phase } from './machine.ts'

const PHASES: Record<Phase, ResourcePhase> = {
  pending: 'pending',
  planning: 'planning',
  planned: 'planning',
  preparing: 'planning',
  copying: 'copying',
  replanning: 'planning',
  committing: 'committing',
  cleaning: 'copying',
  done: 'done',
  failed: 'failed',
}

/** What anybody may see of the run now. @param underWay bytes of the steps that run, by resource */
export function viewOf(ledger: Ledger, run: Run, underWay: Map<number, number>, nowMs: number): ExecutionView {
  const resources = run.resources.map((_, index) =>
    resourceView(ledger.facts(index), ledger.documents(index), underWay.get(index) ?? 0, nowMs),
  )
  return {
    id: run.executionId,
    pipeline: run.pipeline,
    status: statusOf(run, resources, ledger.healing(nowMs)),
    createdAtMs: run.createdAtMs,
    startedAtMs: run.startedAtMs,
    endedAtMs: run.endedAtMs,
    cancelRequested: run.cancelRequested,
    source: run.source,
    destination: run.destination,
    resources,
    healing: ledger.healingActions(),
    fault: run.endedAtMs === undefined ? undefined : resources.find((resource) => resource.fault)?.fault,
  }
}

function statusOf(run: Run, resources: ResourceView[], healing: boolean): ExecutionStatus {
  if (run.endedAtMs !== undefined) return resources.every((resource) => resource.phase === 'done') ? 'SUCCESS' : 'FAILED'
  if (run.startedAtMs === undefined) return 'PENDING'
  return healing ? 'HEALING' : 'RUNNING'
}

function resourceView(facts: ResourceFacts, documents: ResourceDocuments, underWay: number, nowMs: number): ResourceView {
  const { description, targetPlan } = documents
  const bytes = facts.bytes + underWay
  const seconds = facts.copyStartedAtMs === undefined ? 0 : ((facts.copiedAtMs ?? facts.endedAtMs ?? nowMs) - facts.copyStartedAtMs) / 1000
  const bytesPerSecond = seconds > 0 ? Math.round(bytes / seconds) : undefined
  // Bytes on the wire and bytes on the source's disk differ, so what is left is judged by chunks.
  const share = facts.chunksTotal > 0 ? facts.chunksDone / facts.chunksTotal : 0
  const copying = facts.phase === 'copying' && facts.allPlanned && share > 0
  return {
    stream: documents.command.stream,
    table: documents.table,
    mode: documents.command.mode.type,
    phase: PHASES[facts.phase],
    lane: documents.lane?.because,
    schema: targetPlan?.target.schema,
    columns: targetPlan?.columns,
    statements: targetPlan?.statements,
    notes: [...(description?.notes ?? []), ...(targetPlan?.notes ?? []), ...(facts.commit?.notes ?? [])],
    consistency: facts.generations.length > 1 ? 'mixed' : description?.consistency,
    chunksDone: facts.chunksDone,
    chunksTotal: facts.chunksTotal,
    allPlanned: facts.allPlanned,
    estimatedRows: description?.estimatedRows,
    estimatedBytes: description?.estimatedBytes,
    bytes,
    bytesPerSecond,
    etaSeconds: copying ? Math.round((seconds * (1 - share)) / share) : undefined,
    readRows: facts.readRows,
    deliveredRows: facts.deliveredRows,
    foundRows: facts.commit?.foundRows,
    foldedRows: facts.commit?.foldedRows,
    tableRows: facts.commit?.tableRows,
    checksum: checksumView(facts),
    startedAtMs: facts.startedAtMs,
    copiedAtMs: facts.copiedAtMs,
    endedAtMs: facts.endedAtMs,
    fault: facts.fault,
  }
}

function checksumView(facts: ResourceFacts): ChecksumView | undefined {
  if (facts.checksum) return { method: CHECKSUM_METHOD, ...facts.checksum, equal: facts.checksum.source === facts.checksum.destination }
  if (facts.commit?.checksum)
    return { method: 'stages compared with the table by the destination', destination: facts.commit.checksum, equal: true }
  return undefined
}
