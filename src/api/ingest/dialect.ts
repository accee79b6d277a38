import type { Dialect } from '../dialect.ts'
import {
  accepted,
  chunkPage,
  detail,
  eventStream,
  failure,
  ingestAnswer,
  observation,
  refusal,
  schemaAnswer,
  validationErrors,
} from './answer-schemas.ts'
import { toWire } from './faults.ts'
import { routes } from './routes.ts'
import { ingestRequest } from './wire.ts'
import { deleteInsertConfig, scd2Config, upsertConfig } from './write-disposition.ts'

/** `POST /ingest` and its companions, compatible with clients of Ferry. */
export const ingestDialect: Dialect = {
  name: 'ingest',
  summary: 'Load tables from a source into a destination in one call',
  basePaths: ['/ingest', '/ferry', '/schema'],
  routes,
  schemas: (settings) => ({
    IngestRequest: ingestRequest(settings.schemes),
    UpsertConfig: upsertConfig,
    DeleteInsertConfig: deleteInsertConfig,
    Scd2Config: scd2Config,
    IngestAnswer: ingestAnswer,
    Accepted: accepted,
    Failure: failure,
    ValidationErrors: validationErrors,
    Refusal: refusal,
    Detail: detail,
    Observation: observation,
    ChunkPage: chunkPage,
    SchemaAnswer: schemaAnswer,
    EventStream: eventStream,
  }),
  toWire,
}
