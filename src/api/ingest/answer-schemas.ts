import { z } from 'zod'

/** What this API answers, for its description and for the tests that hold the answers against it. */

const time = z.iso.datetime().nullable()
const count = z.number().min(0).nullable()
const status = z.enum(['success', 'processing', 'error'])

const faultView = z.object({
  tag: z.string().describe('The kind of failure: unreachable, denied, missing, unsupported, bad-data, schema-conflict, mismatch, …'),
  message: z.string().describe('Cause, place and remedy.'),
  remedy: z.string().nullable(),
  code: z.string().nullable().describe("The remote system's own code: SQLSTATE, ClickHouse code, HTTP status."),
  place: z.record(z.string(), z.unknown()).nullable(),
})

const end = z.object({ system: z.string(), address: z.string().describe('Without credentials.') })

const resourceReceipt = z.object({
  source_table_name: z.string(),
  destination_table_name: z.string(),
  write_disposition: z.enum(['append', 'replace', 'upsert', 'delete-insert', 'scd2']),
  phase: z.enum(['pending', 'planning', 'copying', 'committing', 'done', 'failed']),
  lane: z.string().nullable().describe('How the bytes travelled, and why.'),
  consistency: z.enum(['snapshot', 'chunk', 'object', 'mixed']).nullable().describe('Whether all chunks show one state of the source.'),
  rows: z.object({
    read: count.describe('What the source says it sent.'),
    delivered: count.describe('What the destination says it took.'),
    found: count.describe('Rows of this load that are in the table after the commit.'),
    folded: count.describe('Rows that the write mode itself left out; delivered = found + folded.'),
    in_table: count,
  }),
  checksum: z
    .object({
      method: z.string(),
      fields: z.array(z.string()).nullable(),
      source: z.string().nullable(),
      destination: z.string().nullable(),
      equal: z.boolean(),
    })
    .nullable(),
  chunks: z.object({ done: z.number(), total: z.number(), all_planned: z.boolean() }),
  bytes: z.number(),
  bytes_per_second: count,
  eta_seconds: count,
  estimated_rows: count,
  estimated_bytes: count,
  started_at: time,
  ended_at: time,
  copy_seconds: count,
  commit_seconds: count,
  statements: z.array(z.string()).describe("Statements that changed the destination's structure."),
  notes: z.array(z.string()),
  fault: faultView.nullable(),
})

const healing = z.object({
  rule: z.string(),
  cause: faultView,
  before: z.unknown(),
  after: z.unknown(),
  attempt: z.number(),
  at: time,
})

export const receipt = z.object({
  execution_id: z.string(),
  pipeline_name: z.string(),
  status,
  state: z.enum(['pending', 'running', 'healing', 'success', 'failed']),
  cancel_requested: z.boolean(),
  source: end,
  destination: end,
  created_at: time,
  started_at: time,
  ended_at: time,
  duration_seconds: count,
  resources: z.array(resourceReceipt),
  healing: z.array(healing).describe('What was done about faults on the way, with their causes.'),
  fault: faultView.nullable(),
})

const planResource = z.object({
  source_table_name: z.string(),
  destination_table_name: z.string(),
  write_disposition: z.string(),
  statements: z.array(z.string()).describe("Statements that would change the destination's structure, in order."),
  columns: z.array(
    z.object({
      name: z.string(),
      source_type: z.string().nullable(),
      type: z.record(z.string(), z.unknown()),
      nullable: z.boolean(),
      destination_column: z.string(),
      destination_type: z.string(),
      loss: z.string().nullable().describe('What this mapping cannot keep.'),
    }),
  ),
  lane: z.string().nullable(),
  because: z.string(),
  chunks: z.number(),
  chunk_bytes: z.number(),
  estimated_rows: count,
  estimated_bytes: count,
  consistency: z.string().nullable(),
  notes: z.array(z.string()),
  fault: faultView.nullable(),
})

const failedResource = z.object({ source_table_name: z.string(), fault: faultView })

/** A load and its receipt, or a plan. */
export const ingestAnswer = z.object({
  status,
  message: z.string(),
  pipeline_name: z.string(),
  schema_version_hash: z.string().nullable().optional().describe('Changes exactly when a table or a column does.'),
  execution_id: z.string().optional(),
  receipt: receipt.optional(),
  loaded: z.array(z.string()).optional().describe('Resources that were loaded although others failed.'),
  failed: z.array(failedResource).optional(),
  dry_run: z.literal(true).optional(),
  plan: z.object({ source: end, destination: end, resources: z.array(planResource) }).optional(),
})

export const accepted = z.object({
  status: z.literal('processing'),
  message: z.string(),
  pipeline_name: z.string(),
  execution_id: z.string(),
  status_url: z.url(),
  events_url: z.url(),
  chunks_url: z.url(),
  cancel_url: z.url(),
})

export const validationErrors = z.object({
  errors: z
    .record(z.string(), z.array(z.string()))
    .describe('By the last part of the place of the mistake; for broken JSON its byte offset.'),
})

export const failure = z.object({
  status: z.literal('error'),
  message: z.string().describe('Cause, place and remedy.'),
  pipeline_name: z.string().optional(),
  schema_version_hash: z.string().nullable().optional(),
  execution_id: z.string().optional(),
  loaded: z.array(z.string()).optional(),
  failed: z.array(failedResource).optional(),
  receipt: receipt.optional(),
})

export const refusal = z.union([validationErrors, failure])

export const detail = z.object({ detail: z.string() })

const step = (metrics: z.ZodType) =>
  z.object({
    start_time: time,
    end_time: time,
    status: z.enum(['pending', 'processing', 'completed', 'failed']),
    error: z.string().nullable(),
    resource_metrics: z.array(metrics),
  })
const rowMetrics = z.object({ name: z.string(), row_count: z.number(), file_size: z.number() })

export const observation = z.object({
  pipeline_name: z.string(),
  source_type: z.null().describe('Always null; the receipt names the source.'),
  destination_type: z.string(),
  start_time: time,
  end_time: time,
  status: z.enum(['processing', 'completed', 'failed', 'unknown', 'error']),
  error: z.string().nullable(),
  metrics: z.object({
    extract: step(rowMetrics),
    normalize: step(rowMetrics),
    load: step(z.object({ name: z.string(), start_time: time, end_time: time })),
  }),
})

export const chunkPage = z.object({
  chunks: z.array(
    z.object({
      id: z.string(),
      source_table_name: z.string(),
      attempts: z.number(),
      rows_read: count,
      rows_delivered: count,
      bytes: count,
      checksum: z.string().nullable(),
      duration_seconds: count,
    }),
  ),
  next: z.string().nullable().describe('Give it as `after` for the next page.'),
})

export const schemaAnswer = z.object({ pipeline_name: z.string(), pipeline_schema: z.string().describe('YAML.') })

export const eventStream = z.string().describe('Events `progress`, `end` and `fault`, each with JSON as data.')
