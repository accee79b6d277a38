import { IngestError } from '../../core/errors.ts'
import type { ExecutionView } from '../../core/execution.ts'
import { redact } from '../../core/redact.ts'
import type { LoadCommand } from '../../operations/operations.ts'
import type { ApiRequest, DialectContext } from '../dialect.ts'
import { parseJson } from '../parse-json.ts'
import { executionAnswer, executionUrls, loadStatus } from './answers.ts'
import { messageOf, statusOf } from './faults.ts'
import { hasEnded, planView } from './receipt.ts'
import { idempotencyKey, parseIngestRequest, toCommand } from './wire.ts'

/** One call of `waitForExecution`; many of them make a wait as long as the load. */
const WAIT_SLICE_MS = 20_000
/** Between two slices, so that a wait that comes back at once does not spin. */
const WAIT_PAUSE_MS = 50
/** A wait that breaks says nothing about the load: it is asked again this often. */
const WAIT_FAILURES_MAX = 5

/** `POST /ingest`: plan (`dry_run`), start and go (`Prefer: respond-async`), or start and wait. */
export async function load(request: ApiRequest, context: DialectContext): Promise<Response> {
  const command = await readCommand(request, context)
  if (isTrue(request.url.searchParams.get('dry_run'))) return plan(request, command, context)

  const { executionId, created } = await context.operations.startLoad(request.caller, command)
  const repeated: Record<string, string> = created ? {} : { 'idempotent-replayed': 'true' }
  const prefer = readPrefer(request.raw.headers)
  if (prefer.respondAsync && prefer.waitMs === undefined) {
    return accepted(request, command.pipeline, executionId, { ...repeated, 'preference-applied': 'respond-async' })
  }
  const view = await waitForEnd(request, executionId, context, prefer.waitMs)
  if (!view || !hasEnded(view)) {
    const applied: Record<string, string> = prefer.waitMs === undefined ? {} : { 'preference-applied': `wait=${prefer.waitMs / 1000}` }
    return accepted(request, command.pipeline, executionId, { ...repeated, ...applied })
  }
  const { status_url } = executionUrls(request.url, executionId)
  return Response.json(await executionAnswer(view), {
    status: loadStatus(view, context.settings),
    headers: { ...repeated, 'content-location': status_url },
  })
}

async function readCommand(request: ApiRequest, { settings }: DialectContext): Promise<LoadCommand> {
  const refuse = (path: string, message: string) => new IngestError({ tag: 'invalid-request', issues: [{ path: `body/${path}`, message }] })
  // Also keeps web pages out: a cross-site form cannot send this type without being asked first.
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(request.raw.headers.get('content-type') ?? '')) {
    throw refuse('body', 'Content-Type must be application/json')
  }
  const bytes = await request.body()
  if (bytes.byteLength === 0) throw refuse('body', 'Field required')
  const json = parseJson(bytes)
  if (!json.ok) throw refuse(String(json.offsetBytes), 'JSON decode error')
  const body = parseIngestRequest(json.value, settings.schemes)
  return toCommand(body, keyOf(request, body.idempotency_key ?? undefined))
}

/**
 * A signature covers the body, not the headers, so of a signed request only a key in the body counts. Without one the
 * signature itself is the key: whoever replays the request gets the execution that it started the first time.
 */
function keyOf({ raw, signature }: ApiRequest, inBody: string | undefined): string | undefined {
  const header = raw.headers.get('idempotency-key') ?? undefined
  if (header === undefined) return inBody ?? signature
  const issue = (message: string) => new IngestError({ tag: 'invalid-request', issues: [{ path: 'body/Idempotency-Key', message }] })
  if (signature !== undefined) throw issue('A signature does not cover this header; send idempotency_key in the body')
  if (inBody !== undefined && inBody !== header) throw issue('Differs from idempotency_key in the body')
  if (!idempotencyKey.safeParse(header).success) throw issue('An idempotency key has 1 to 255 printable ASCII characters')
  return header
}

async function plan(request: ApiRequest, command: LoadCommand, { operations, settings }: DialectContext): Promise<Response> {
  const found = await operations.planLoad(request.caller, command)
  const fault = found.resources.find((resource) => resource.fault)?.fault
  const body = {
    status: fault ? 'error' : 'success',
    message: fault ? messageOf(fault) : 'This is what the load would do; nothing was changed',
    pipeline_name: command.pipeline,
    dry_run: true,
    plan: planView(found),
  }
  return Response.json(body, { status: fault ? statusOf(fault, settings) : 200 })
}

function accepted(request: ApiRequest, pipeline: string, executionId: string, headers: Record<string, string>): Response {
  const urls = executionUrls(request.url, executionId)
  const body = { status: 'processing', message: 'Data Ingestion is under way', pipeline_name: pipeline, execution_id: executionId, ...urls }
  return Response.json(body, { status: 202, headers: { ...headers, location: urls.status_url } })
}

/**
 * The state at the end, or when `waitMs` have passed, or when the client left; undefined when it cannot be found out. The
 * work goes on in each case, so nothing that happens here may look as if it had not been started.
 */
async function waitForEnd(
  { caller, signal }: ApiRequest,
  executionId: string,
  { operations, edges }: DialectContext,
  waitMs = Number.POSITIVE_INFINITY,
): Promise<ExecutionView | undefined> {
  const deadlineMs = edges.nowMs() + waitMs
  for (let failures = 0; ; ) {
    const restMs = Math.max(0, deadlineMs - edges.nowMs())
    try {
      const view = await operations.waitForExecution(caller, executionId, Math.min(WAIT_SLICE_MS, restMs))
      if (hasEnded(view) || signal.aborted || edges.nowMs() >= deadlineMs) return view
      failures = 0
    } catch (error) {
      if (++failures > WAIT_FAILURES_MAX) {
        edges.log('wait-failed', { executionId, error: redact(String(error)) })
        return undefined
      }
    }
    await edges.sleep(failures ? WAIT_PAUSE_MS * 2 ** failures : WAIT_PAUSE_MS, signal)
  }
}

/** RFC 7240. */
function readPrefer(headers: Headers): { respondAsync: boolean; waitMs?: number } {
  const preferences = (headers.get('prefer') ?? '').split(/[,;]/).map((preference) => preference.trim().toLowerCase())
  const wait = preferences.map((preference) => /^wait\s*=\s*"?(\d{1,6})"?$/.exec(preference)?.[1]).find(Boolean)
  return { respondAsync: preferences.includes('respond-async'), waitMs: wait === undefined ? undefined : Number(wait) * 1000 }
}

export function isTrue(flag: string | null): boolean {
  return flag !== null && parseFlag(flag)
}

function parseFlag(flag: string): boolean {
  const value = flag.toLowerCase()
  if (['1', 'true', 'yes', 'on', ''].includes(value)) return true
  if (['0', 'false', 'no', 'off'].includes(value)) return false
  // A typing mistake must not turn a dry run into a real one.
  throw new IngestError({ tag: 'invalid-request', issues: [{ path: 'body/dry_run', message: 'Input should be a valid boolean' }] })
}
