import { z } from 'zod'
import { IngestError } from '../../core/errors.ts'
import { redact } from '../../core/redact.ts'
import type { ApiRequest, DialectContext, Route } from '../dialect.ts'
import { executionAnswer } from './answers.ts'
import { streamEvents } from './events.ts'
import { load } from './load.ts'
import { observationOf } from './observation.ts'
import { hasEnded } from './receipt.ts'
import { schemaDocument } from './schema-document.ts'
import { parseWith } from './validation.ts'

const REFUSALS = {
  '400': { description: 'A signed request lacks a header', schema: 'Detail' },
  '401': { description: 'No valid credential', schema: 'Detail' },
}
const NOT_FOUND = { '404': { description: 'Unknown, or of another workspace', schema: 'Detail' } }
const FAILED = 'The load, or the request for it, failed; which it is, and whether anything was loaded, says the body'

const pageQuery = z.object({ after: z.string().max(64).optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) })
const schemaQuery = z.object({ pipeline_name: z.string() })

/** Both names of this API, and what they share. */
export function routes(context: DialectContext): Route[] {
  return [...routesBelow('/ingest', '', context), ...routesBelow('/ferry', 'ViaFerry', context), schemaRoute(context)]
}

function routesBelow(prefix: string, suffix: string, context: DialectContext): Route[] {
  const { operations } = context
  const execution = `${prefix}/executions/:id`
  const params = { id: 'Id of the execution.' }
  return [
    {
      method: 'POST',
      path: prefix,
      doc: {
        operationId: `ingest${suffix}`,
        summary: 'Load tables from a source into a destination',
        description: 'Answers when the load has ended. With `Prefer: respond-async` at once, with `wait=<seconds>` too after so long.',
        query: { dry_run: { description: 'Only tell what the load would do.', schema: z.boolean().default(false) } },
        headers: {
          Prefer: '`respond-async`, `wait=<seconds>` (RFC 7240).',
          'Idempotency-Key': 'The same key gives the same execution. Not with a signature: see `idempotency_key`.',
        },
        requestBody: 'IngestRequest',
        responses: {
          '200': { description: 'Loaded, or planned (`dry_run`)', schema: 'IngestAnswer' },
          '202': { description: 'Accepted; the load goes on', schema: 'Accepted' },
          ...REFUSALS,
          '409': { description: 'Cancelled, changed by somebody else, or another request has this idempotency key', schema: 'Failure' },
          '413': { description: 'The body is too large', schema: 'Detail' },
          '422': { description: 'The request is not valid, or asks for what is not there or not allowed', schema: 'Refusal' },
          '429': { description: 'Too much is under way', schema: 'Detail' },
          '500': { description: FAILED, schema: 'Failure' },
          '502': { description: 'The source or the destination cannot be reached, or refused', schema: 'Failure' },
          '503': { description: 'The source or the destination asks to wait', schema: 'Failure' },
          '504': { description: 'The source or the destination ran out of time, memory or disk', schema: 'Failure' },
        },
      },
      handle: (request) => load(request, context),
    },
    {
      // Before the executions: an identity may be called `executions`.
      method: 'GET',
      path: `${prefix}/:identity/observe`,
      doc: {
        operationId: `observe${suffix}`,
        summary: 'The last run of a pipeline',
        params: { identity: 'The identity, percent-encoded.' },
        responses: { '200': { description: 'The last run', schema: 'Observation' }, ...REFUSALS, ...NOT_FOUND },
      },
      handle: async ({ caller, params: { identity = '' } }) =>
        Response.json(observationOf(await operations.latestExecution(caller, identity))),
    },
    {
      method: 'GET',
      path: execution,
      doc: {
        operationId: `getExecution${suffix}`,
        summary: 'One execution and its receipt',
        params,
        responses: { '200': { description: 'Whatever its state is', schema: 'IngestAnswer' }, ...REFUSALS, ...NOT_FOUND },
      },
      handle: async ({ caller, params: { id = '' } }) =>
        Response.json(await executionAnswer(await operations.describeExecution(caller, id))),
    },
    {
      method: 'GET',
      path: `${execution}/events`,
      doc: {
        operationId: `streamEvents${suffix}`,
        summary: 'Progress of an execution as server-sent events',
        description: '`progress` about once a second, `end` with the receipt. Reconnecting resumes.',
        params,
        responses: {
          '200': { description: 'The stream', schema: 'EventStream', mediaType: 'text/event-stream' },
          '204': { description: 'The client had `end` already' },
          ...REFUSALS,
          ...NOT_FOUND,
        },
      },
      handle: (request) => streamEvents(request, request.params.id ?? '', context),
    },
    {
      method: 'GET',
      path: `${execution}/chunks`,
      doc: {
        operationId: `listChunks${suffix}`,
        summary: 'The receipts of the chunks of an execution',
        params,
        query: {
          after: { description: '`next` of the page before.', schema: z.string() },
          limit: { description: 'At most so many.', schema: z.int().min(1).max(1000).default(100) },
        },
        responses: {
          '200': { description: 'One page', schema: 'ChunkPage' },
          ...REFUSALS,
          ...NOT_FOUND,
          '422': { description: 'The page asked for is none', schema: 'ValidationErrors' },
        },
      },
      handle: (request) => chunks(request, context),
    },
    ...(['POST', 'DELETE'] as const).map(
      (method): Route => ({
        method,
        path: method === 'POST' ? `${execution}/cancel` : execution,
        doc: {
          operationId: `${method === 'POST' ? 'cancelExecution' : 'deleteExecution'}${suffix}`,
          summary: 'Cancel an execution',
          description: 'May be repeated. What has ended stays as it is.',
          params,
          responses: {
            '200': { description: 'It has ended', schema: 'IngestAnswer' },
            '202': { description: 'It is being stopped', schema: 'IngestAnswer' },
            ...REFUSALS,
            ...NOT_FOUND,
          },
        },
        handle: async ({ caller, params: { id = '' } }) => {
          const view = await operations.cancelExecution(caller, id)
          return Response.json(await executionAnswer(view), { status: hasEnded(view) ? 200 : 202 })
        },
      }),
    ),
  ]
}

async function chunks({ caller, params: { id = '' }, url }: ApiRequest, { operations }: DialectContext): Promise<Response> {
  const page = parseWith(pageQuery, Object.fromEntries(url.searchParams))
  const { chunks: found, next } = await operations.listChunks(caller, id, page)
  return Response.json({
    chunks: found.map((chunk) => ({
      id: chunk.id,
      source_table_name: chunk.stream,
      attempts: chunk.attempts,
      rows_read: chunk.readRows ?? null,
      rows_delivered: chunk.deliveredRows ?? null,
      bytes: chunk.bytes ?? null,
      checksum: chunk.checksum ?? null,
      duration_seconds: chunk.durationMs === undefined ? null : chunk.durationMs / 1000,
    })),
    next: next ?? null,
  })
}

function schemaRoute({ operations, edges }: DialectContext): Route {
  return {
    method: 'GET',
    path: '/schema',
    doc: {
      operationId: 'getSchema',
      summary: 'The tables and columns of the last run of a pipeline, as YAML text',
      query: { pipeline_name: { description: 'The identity.', required: true, schema: z.string() } },
      responses: {
        '200': { description: 'The schema', schema: 'SchemaAnswer' },
        ...REFUSALS,
        '422': { description: 'pipeline_name is missing', schema: 'ValidationErrors' },
        '500': { description: 'There is no schema, for whatever reason', schema: 'Failure' },
      },
    },
    handle: async ({ caller, url }) => {
      const { pipeline_name } = parseWith(schemaQuery, Object.fromEntries(url.searchParams))
      try {
        const view = await operations.latestExecution(caller, pipeline_name)
        if (view.resources.some(({ schema }) => schema)) {
          return Response.json({ pipeline_name, pipeline_schema: await schemaDocument(view) })
        }
      } catch (error) {
        // This API has one answer for every failure here; an unexpected one must still reach the log.
        if (!(error instanceof IngestError)) edges.log('schema-failed', { error: redact(String(error)) })
      }
      return Response.json({ status: 'error', message: 'Failed to fetch schema' }, { status: 500 })
    },
  }
}
