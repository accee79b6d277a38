import { CHECKSUM_KINDS } from '../core/checksum.ts'
import type { Chunk, Json, Receipt, StreamDescription } from '../core/chunk.ts'
import type { Destination, Source } from '../core/connector.ts'
import { type Fault, faultOf, IngestError } from '../core/errors.ts'
import type { Env, Settings } from '../env.ts'
import { PLACE_TTL_MS, PLAN_WINDOW_CHUNKS, PROGRESS_EVERY_MS, RECEIPTS_PAGE } from '../limits.ts'
import type { LoadCommand } from '../operations/operations.ts'
import { log } from '../platform/log.ts'
import { cursorKey, findCursor } from '../store/executions.ts'
import { chunkBytesFor } from '../transfer/chunk-size.ts'
import { copyChunk } from '../transfer/copy-chunk.ts'
import { planResource } from '../transfer/plan-resource.ts'
import type { Ends } from './ends.ts'
import { gate } from './gate-object.ts'
import type { Admission, Assignment, Done, ExecutionHandle, Outcome, Work } from './handle.ts'

export interface StepContext {
  env: Env
  settings: Settings
  handle: ExecutionHandle
  ends: Ends
  command: LoadCommand
  admission: Admission
  executionId: string
  /** Keeps this worker's places at source and destination. */
  keepPlaces(): Promise<boolean>
}

/** Larger than any stream: "do not cut". */
const WHOLE_STREAM_BYTES = Number.MAX_SAFE_INTEGER

/** Does one step and settles it. While it runs, the object hears of it twice a second and may stop it. */
export async function runStep(context: StepContext, assignment: Assignment): Promise<void> {
  const { handle, ends } = context
  let bytes = 0
  let stopped = false
  const stop = () => {
    stopped = true
    ends.stop()
  }
  const heart = beat(context, assignment, () => bytes, stop)
  let outcome: Outcome
  try {
    const { source, destination } = ends.open()
    const report = (sofar: number) => {
      bytes = sofar
    }
    outcome = { ok: true, done: await perform(context, assignment, source, destination, report, () => stopped) }
  } catch (error) {
    const fault: Fault = stopped ? { tag: 'cancelled' } : faultOf(error)
    if (fault.tag === 'internal')
      log('step failed unexpectedly', { executionId: context.executionId, step: assignment.work.kind, reason: describe(error) })
    outcome = { ok: false, fault }
  } finally {
    heart.end()
  }
  // What was aborted, or broke in an unknown way, is not used for another step.
  if (!outcome.ok) {
    ends.stop()
    await ends.close()
  }
  await handle.settle(assignment.stepId, assignment.lease, outcome)
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}`.slice(0, 2_000) : String(error)
}

/** Reports and renews until `end`; a report that cannot be delivered is left to the next one, and to the lease. */
function beat(context: StepContext, assignment: Assignment, bytes: () => number, stop: () => void): { end(): void } {
  let over = false
  let placesUntilMs = Date.now() + PLACE_TTL_MS / 2
  const tick = async () => {
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, PROGRESS_EVERY_MS))
      if (over) return
      try {
        if ((await context.handle.renew(assignment.stepId, assignment.lease, bytes())) === 'stop') return stop()
        if (Date.now() > placesUntilMs) {
          placesUntilMs = Date.now() + PLACE_TTL_MS / 2
          await context.keepPlaces()
        }
      } catch (error) {
        log('progress could not be reported', { executionId: context.executionId, reason: String(error) })
      }
    }
  }
  void tick()
  return {
    end() {
      over = true
    },
  }
}

async function perform(
  context: StepContext,
  assignment: Assignment,
  source: Source,
  destination: Destination,
  report: (bytes: number) => void,
  isStopped: () => boolean,
): Promise<Done> {
  const { work } = assignment
  switch (work.kind) {
    case 'plan':
      return { kind: 'plan', ...(await plan(context, assignment, source, destination)) }
    case 'prepare': {
      const prepared = await destination.prepare(work.targetPlan, loadId(context, assignment))
      return { kind: 'prepare', prepared, ...(await planWindow(context.settings, source, work.description, work.wholeStream)) }
    }
    case 'window':
      return { kind: 'window', ...(await planWindow(context.settings, source, work.description, work.wholeStream, work.after)) }
    case 'copy':
      return await copy(context, assignment, work, source, destination, report)
    case 'commit':
      return await commit(context, assignment, work, destination, isStopped)
    case 'abort':
      await destination.abort(work.prepared ?? (await destination.prepare(work.targetPlan, loadId(context, assignment))))
      return { kind: 'abort' }
  }
}

/** Names what this resource stages at the destination: `[a-z0-9]{1,32}`, the same for every attempt. */
function loadId(context: StepContext, assignment: Assignment): string {
  return `${context.executionId}r${assignment.resource.toString(36)}`
}

async function plan(context: StepContext, assignment: Assignment, source: Source, destination: Destination) {
  const { command } = assignment
  const { workspaceId, pipeline } = context.admission
  const kept = command.cursor?.keepsState ? await findCursor(context.env.DB, cursorKey(workspaceId, pipeline, command)) : undefined
  return await planResource(source, destination, {
    resource: command,
    dataset: context.command.dataset,
    unrepresentable: context.command.unrepresentable,
    startedAtMs: assignment.startedAtMs,
    keptCursor: kept,
  })
}

async function planWindow(
  settings: Settings,
  source: Source,
  description: StreamDescription,
  wholeStream: boolean,
  after?: Chunk,
): Promise<{ chunks: Chunk[]; allPlanned: boolean }> {
  const targetBytes = wholeStream ? WHOLE_STREAM_BYTES : chunkBytesFor(description.estimatedBytes, settings.CHUNK_BYTES)
  const chunks: Chunk[] = []
  for await (const chunk of source.plan(description, targetBytes, after)) {
    if (chunks.length === PLAN_WINDOW_CHUNKS) return { chunks, allPlanned: false }
    chunks.push(chunk)
  }
  return { chunks, allPlanned: true }
}

async function copy(
  context: StepContext,
  assignment: Assignment,
  work: Work & { kind: 'copy' },
  source: Source,
  destination: Destination,
  report: (bytes: number) => void,
): Promise<Done> {
  const fields = context.command.verify === 'checksum' ? checksumFields(work.description, work.prepared, source, destination) : undefined
  const job = {
    description: work.description,
    chunk: work.chunk,
    lane: work.lane,
    rules: assignment.command.rules,
    prepared: work.prepared,
    attempt: { chunkId: work.chunk.id, attemptId: crypto.randomUUID().replaceAll('-', '').slice(0, 12) },
    read: { pseudonymSalt: context.settings.PSEUDONYM_SALT, ...(work.snapshot !== undefined && { snapshot: work.snapshot }) },
    ...(fields && { checksumFields: fields }),
  }
  const copied = await copyChunk(source, destination, job, report)
  return {
    kind: 'copy',
    receipt: copied.receipt,
    bytes: copied.read.bytes,
    ...(copied.read.rows !== undefined && { readRows: copied.read.rows }),
    ...(copied.checksum && fields && { checksum: { ...copied.checksum, fields } }),
  }
}

function checksumFields(description: StreamDescription, prepared: Json, source: Source, destination: Destination): string[] | undefined {
  if (!source.checksum || !destination.checksum || !destination.checksumFields) return undefined
  const reproducible = new Set(destination.checksumFields(prepared))
  const kinds = new Set<string>(CHECKSUM_KINDS)
  const fields = description.schema.fields.filter((field) => kinds.has(field.type.kind) && reproducible.has(field.name))
  return fields.length > 0 ? fields.map((field) => field.name) : undefined
}

/** One commit at a time into one table; the place is kept while it runs. */
async function commit(
  context: StepContext,
  assignment: Assignment,
  work: Work & { kind: 'commit' },
  destination: Destination,
  isStopped: () => boolean,
): Promise<Done> {
  const place = gate(context.env, `commit ${work.commitKey}`)
  const name = `${context.executionId} ${assignment.resource}`
  while ((await place.acquire(name, 1, PLACE_TTL_MS, 1_000)) === null) {
    if (isStopped()) throw new IngestError({ tag: 'cancelled' })
  }
  const keep = setInterval(() => void place.acquire(name, 1, PLACE_TTL_MS, 0).catch(() => {}), PLACE_TTL_MS / 3)
  try {
    const journal = {
      load: async () => (await context.handle.loadJournal(assignment.resource)) ?? undefined,
      save: async (entry: Json) => {
        if (!(await context.handle.saveJournal(assignment.stepId, assignment.lease, entry))) throw new IngestError({ tag: 'cancelled' })
      },
    }
    const result = await destination.commit(work.prepared, receiptsOf(context.handle, assignment.resource), journal)
    await destination.abort(work.prepared)
    return { kind: 'commit', result }
  } finally {
    clearInterval(keep)
    await place.release(name)
  }
}

async function* receiptsOf(handle: ExecutionHandle, resource: number): AsyncIterable<Receipt> {
  let after = 0
  for (;;) {
    const page = await handle.receipts(resource, after, RECEIPTS_PAGE)
    for (const { receipt } of page) yield receipt
    const last = page.at(-1)
    if (!last || page.length < RECEIPTS_PAGE) return
    after = last.stepId
  }
}
