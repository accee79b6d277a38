import { destinationEnd, sourceEnd } from '../connectors/registry.ts'
import { IngestError } from '../core/errors.ts'
import { executionHandle, type Start } from '../execution/handle.ts'
import { openCommand } from '../execution/sealed-command.ts'
import { log } from '../platform/log.ts'
import { type ExecutionRow, insertExecution } from '../store/executions.ts'
import type { Deps } from './create-operations.ts'
import type { Caller, LoadCommand } from './operations.ts'

/**
 * Stores the run and wakes its object. Should the second fail, the sweeper finds the row and does it.
 * @throws IngestError `invalid-request` for URIs no connector reads; `conflict` when the idempotency key belongs to another command
 */
export async function startLoad(deps: Deps, caller: Caller, command: LoadCommand): Promise<{ executionId: string; created: boolean }> {
  sourceEnd(command.sourceUri)
  destinationEnd(command.destinationUri)
  refuseSharedTables(command)
  const id = newExecutionId()
  const text = JSON.stringify(command)
  const commandFingerprint = await deps.secrets.fingerprint(text)
  const { row, created } = await insertExecution(deps.env.DB, {
    id,
    workspaceId: caller.workspaceId,
    pipeline: command.pipeline,
    idempotencyKey: command.idempotencyKey ?? null,
    commandFingerprint,
    sealedCommand: await deps.secrets.seal(text, id),
    createdAtMs: Date.now(),
  })
  if (row.commandFingerprint !== commandFingerprint) {
    throw new IngestError({ tag: 'conflict', reason: 'This idempotency key was used with a different request.' })
  }
  try {
    if (created) await wake(deps, row)
  } catch (error) {
    // The run is stored: an error would invite a second one, while the sweeper starts this one within a minute.
    log('an execution could not be woken yet', { executionId: row.id, reason: String(error) })
  }
  return { executionId: row.id, created }
}

/** Two resources that replace one table would undo each other, in an order nobody chose. */
function refuseSharedTables(command: LoadCommand): void {
  const seen = new Map<string, number>()
  const issues = command.resources.flatMap((resource, index) => {
    const table = resource.table ?? resource.stream
    const first = seen.get(table)
    seen.set(table, first ?? index)
    const adds = resource.mode.type === 'append' || resource.mode.type === 'upsert'
    if (first === undefined || adds) return []
    return [
      {
        path: `resources.${index}.table`,
        message: `Resource ${first} writes into "${table}" too; only append and upsert may share a table`,
      },
    ]
  })
  if (issues.length > 0) throw new IngestError({ tag: 'invalid-request', issues })
}

/** Hands a stored run to its object. Repeatable: an object that has started ignores it. */
export async function wake(deps: Deps, row: ExecutionRow): Promise<void> {
  if (!row.sealedCommand) return
  const command = await openCommand(deps.secrets, row.sealedCommand, row.id)
  const [source, destination] = [sourceEnd(command.sourceUri), destinationEnd(command.destinationUri)]
  const start: Start = {
    executionId: row.id,
    workspaceId: row.workspaceId,
    pipeline: row.pipeline,
    sealedCommand: row.sealedCommand,
    createdAtMs: row.createdAtMs,
    source: { system: source.system, address: source.address },
    destination: { system: destination.system, address: destination.address },
    verify: command.verify,
    resources: command.resources,
  }
  await executionHandle(deps.env, row.id).start(start)
}

/** 20 characters `[a-z0-9]` that sort by time. */
function newExecutionId(): string {
  const time = Date.now().toString(36).padStart(9, '0')
  const random = [...crypto.getRandomValues(new Uint8Array(11))].map((byte) => (byte % 36).toString(36)).join('')
  return time + random
}
