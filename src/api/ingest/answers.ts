import type { ExecutionView } from '../../core/execution.ts'
import type { ApiSettings } from '../dialect.ts'
import { faultView, statusOf } from './faults.ts'
import { failureMessage, hasEnded, receiptOf, wireStatus } from './receipt.ts'
import { schemaVersionHash } from './schema-document.ts'

const SUCCESS_MESSAGE = 'Data Ingestion is completed successfully'

/** Everything about one execution: the answer of a finished load, and of whoever asks for it later. */
export async function executionAnswer(view: ExecutionView) {
  const status = wireStatus(view)
  const failed = view.resources.flatMap(({ stream, fault }) => (fault ? [{ source_table_name: stream, fault: faultView(fault) }] : []))
  return {
    status,
    message: status === 'success' ? SUCCESS_MESSAGE : status === 'error' ? failureMessage(view) : 'Data Ingestion is under way',
    pipeline_name: view.pipeline,
    schema_version_hash: await schemaVersionHash(view),
    execution_id: view.id,
    ...(status === 'error' ? { loaded: view.resources.filter(({ phase }) => phase === 'done').map(({ stream }) => stream), failed } : {}),
    receipt: receiptOf(view),
  }
}

/** The HTTP status of a load that was waited for. */
export function loadStatus(view: ExecutionView, settings: ApiSettings): number {
  if (view.status === 'SUCCESS') return 200
  if (!hasEnded(view)) return 202
  const fault = view.fault ?? view.resources.find((resource) => resource.fault)?.fault ?? { tag: 'internal' as const }
  // A fault found inside the run says nothing about this request's own route, size or credential.
  const status = statusOf(fault, settings)
  return [401, 403, 404, 405, 413].includes(status) ? 422 : status
}

/** Where to follow an execution, below the path that was used to start it. */
export function executionUrls(url: URL, id: string) {
  const prefix = url.pathname.startsWith('/ferry') ? '/ferry' : '/ingest'
  const base = `${url.origin}${prefix}/executions/${encodeURIComponent(id)}`
  return { status_url: base, events_url: `${base}/events`, chunks_url: `${base}/chunks`, cancel_url: `${base}/cancel` }
}
