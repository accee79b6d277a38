import { z } from 'zod'
import { RESOURCES_PER_EXECUTION_MAX } from '../../limits.ts'
import type { LoadCommand, ResourceCommand } from '../../operations/operations.ts'
import type { ApiSettings } from '../dialect.ts'
import { cursorOf, incrementalConfig } from './incremental.ts'
import { schemeProblem } from './uri-schemes.ts'
import { parseWith, valueError } from './validation.ts'
import { writeDispositionConfig } from './write-disposition.ts'

const NAME_MAX_CHARS = 512

const required = z.string().min(1, valueError('Field must be provided')).max(NAME_MAX_CHARS)
const columnNames = z.array(z.string()).nullish()

/** Meant for a message queue as source; accepted with every source, used by none of this build. */
const sourceOptions = z.object({
  batch_size: z.int().nullish(),
  batch_timeout: z.int().nullish(),
  start_from: z
    .string()
    .refine(
      (text) => /^(?:|earliest|latest|timestamp:\s*[+-]?\d+\s*)$/.test(text),
      valueError("start_from must be 'earliest', 'latest', or 'timestamp:<epoch_ms>'"),
    )
    .nullish(),
})

export const resourceConfig = z.object({
  source_table_name: required.describe('A table (`users`, `public.users`), or an object or glob (`users/data/*.csv`).'),
  destination_table_name: z.string().max(NAME_MAX_CHARS).nullish().describe('Defaults to the name of the source table.'),
  write_disposition_config: writeDispositionConfig.nullish().describe('Defaults to replace.'),
  incremental_config: incrementalConfig.nullish(),
  column_rules: z
    .object({
      exclude_columns: columnNames.describe('Not loaded.'),
      pseudonymizing_columns: columnNames.describe('Replaced by 64 hex digits: SHA-256 of the value and a salt. NULL stays NULL.'),
    })
    .nullish(),
  source_options: sourceOptions.nullish().describe('Accepted, and ignored by every source of this build.'),
})

/** The last one built: an isolate asks for one build's schemes all the time, and building takes milliseconds. */
let built: { key: string; schema: ReturnType<typeof buildIngestRequest> } | undefined

/** The body of `POST /ingest`. Fields it does not know are ignored. */
export function ingestRequest(schemes: ApiSettings['schemes']) {
  const key = JSON.stringify(schemes)
  if (built?.key !== key) built = { key, schema: buildIngestRequest(schemes) }
  return built.schema
}

function buildIngestRequest(schemes: ApiSettings['schemes']) {
  const uri = (side: 'source' | 'destination') =>
    z.string().superRefine((value, context) => {
      const problem = value ? schemeProblem(value, side, schemes) : valueError('URI must be provided')
      // The URI carries credentials, so an issue never takes it along.
      if (problem) context.addIssue({ code: 'custom', message: problem })
    })
  return z
    .object({
      identity: required
        .refine((text) => text.isWellFormed(), valueError('Not valid Unicode'))
        .describe('Names the pipeline: what is remembered between runs, and which runs follow each other.'),
      source_uri: uri('source').meta({
        description: 'Where data comes from, credentials included.',
        examples: ['postgresql://user:password@host:5432/db'],
      }),
      destination_uri: uri('destination').meta({
        description: 'Where data goes, credentials included.',
        examples: ['clickhouse://user:password@host:9000/db?http_port=8123&secure=0'],
      }),
      dataset_name: z
        .string()
        .max(NAME_MAX_CHARS)
        .nullish()
        .describe("Schema or database at the destination; defaults to the destination's own."),
      dataset: z.string().max(NAME_MAX_CHARS).nullish().describe('Another name of `dataset_name`.'),
      resources: z
        .array(resourceConfig)
        .min(1, valueError('At least one resource must be provided'))
        .max(RESOURCES_PER_EXECUTION_MAX, valueError(`At most ${RESOURCES_PER_EXECUTION_MAX} resources can be loaded at once`)),
      verify: z
        .enum(['rows', 'checksum'])
        .default('rows')
        .describe('Proof of delivery: rows counted at both ends, or also a checksum of their contents computed by both ends.'),
      unrepresentable: z
        .enum(['fail', 'null'])
        .default('fail')
        .describe("What becomes of a value that the destination's type cannot hold."),
      idempotency_key: idempotencyKey
        .nullish()
        .describe('The same key gives the same execution. As the header Idempotency-Key, but covered by a signature.'),
    })
    .superRefine((body, context) => {
      if (body.dataset && body.dataset_name && body.dataset !== body.dataset_name) {
        const message = valueError('dataset and dataset_name must not differ')
        context.addIssue({ code: 'custom', path: ['dataset'], message, input: body.dataset })
      }
    })
}

export const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/, valueError('An idempotency key has 1 to 255 printable ASCII characters'))

export type IngestRequest = z.output<ReturnType<typeof ingestRequest>>

/** Throws `invalid-request`. */
export function parseIngestRequest(body: unknown, schemes: ApiSettings['schemes']): IngestRequest {
  return parseWith(ingestRequest(schemes), body)
}

export function toCommand(request: IngestRequest, key?: string): LoadCommand {
  const dataset = request.dataset_name || request.dataset
  return {
    pipeline: request.identity,
    sourceUri: request.source_uri,
    destinationUri: request.destination_uri,
    ...(dataset ? { dataset } : {}),
    resources: request.resources.map(toResource),
    verify: request.verify,
    unrepresentable: request.unrepresentable,
    ...(key ? { idempotencyKey: key } : {}),
  }
}

function toResource(resource: z.output<typeof resourceConfig>): ResourceCommand {
  return {
    stream: resource.source_table_name,
    ...(resource.destination_table_name ? { table: resource.destination_table_name } : {}),
    mode: resource.write_disposition_config ?? { type: 'replace' },
    rules: {
      exclude: distinct(resource.column_rules?.exclude_columns),
      pseudonymize: distinct(resource.column_rules?.pseudonymizing_columns),
    },
    ...(resource.incremental_config ? { cursor: cursorOf(resource.incremental_config) } : {}),
  }
}

function distinct(names: string[] | null | undefined): string[] {
  return [...new Set(names)]
}
