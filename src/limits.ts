/** Every tunable and platform limit, unit in the name, one reason each. */

/** One buffer per Postgres copy: where CPU per byte stops falling (docs/decisions/002). */
export const COPY_BUFFER_BYTES = 256 * 1024
/** Record lane: batches stay small enough that a few of them fit the 128 MB of an isolate. */
export const BATCH_MAX_BYTES = 1024 * 1024
export const BATCH_MAX_ROWS = 10_000

/** A table below this is one chunk: cutting it costs more than it saves. */
export const CHUNK_MIN_BYTES = 32 * 1024 * 1024
/** A chunk above this loses too much work when it is retried. */
export const CHUNK_MAX_BYTES = 256 * 1024 * 1024
/** What a resource is cut into, between the two limits above. */
export const CHUNKS_PER_RESOURCE_AIM = 8
/** Chunks planned ahead of the copy; the rest is planned when half of them are done. */
export const PLAN_WINDOW_CHUNKS = 500

/** Steps of one execution under way at once. */
export const STEPS_PER_EXECUTION = 4
/** Steps one worker does at once: an invocation may have 6 requests that wait for headers, and a copy has up to 2. */
export const HANDS_PER_WORKER = 2
/** Executions that may hold a snapshot connection on one source at once. */
export const EXECUTIONS_PER_SOURCE = 8
/** Tasks that may hold connections to one source at once. */
export const TASKS_PER_SOURCE = 8
/** Tasks that may write into one destination at once. */
export const TASKS_PER_DESTINATION = 16

/** A task hands its place back after this long and queues itself again, so that others get their turn. */
export const TASK_TURN_MS = 10_000
/** A lease that was not renewed for this long is handed out again. */
export const LEASE_TTL_MS = 15_000
/** How often a running step reports, and is told to stop. */
export const PROGRESS_EVERY_MS = 500
/** A queued task that nobody claimed after this long is sent again. */
export const TASK_LOST_AFTER_MS = 10_000
/** An idle object loses its sockets after 2–3 minutes (measured); this keeps a snapshot's connection alive. */
export const SNAPSHOT_KEEPALIVE_MS = 20_000

/** Attempts of one step before its fault is final: a minute with the delays below, which a restart or a failover takes. */
export const ATTEMPTS_PER_STEP = 8
export const RETRY_BASE_MS = 500
export const RETRY_MAX_MS = 30_000

export const CONNECT_TIMEOUT_MS = 10_000
/** A source or destination that moves no byte for this long is taken for dead: a silent peer raises no error. */
export const IDLE_TIMEOUT_MS = 60_000
/** Longest answer of a remote kept for a message. */
export const REMOTE_MESSAGE_MAX_CHARS = 1_000

/** Largest body of a control request. */
export const REQUEST_MAX_BYTES = 1024 * 1024
export const RESOURCES_PER_EXECUTION_MAX = 1_000
/** HMAC mode: how far a request's timestamp may be from our clock. */
export const SIGNATURE_MAX_AGE_SECONDS = 300
/** How long an ended execution's ledger (its chunk list) can be looked at; the summary stays in D1. */
export const ENDED_OBJECT_KEPT_MS = 7 * 24 * 3_600_000
/** Receipts fetched per remote call during a commit. */
export const RECEIPTS_PAGE = 500
/** A worker waits this long for a place at a source or destination before it lets its task be sent again. */
export const PLACE_WAIT_MS = 5_000
/** Places are asked for again within this time, or go to others. */
export const PLACE_TTL_MS = 30_000

/** Rounds of PBKDF2 that Workers' WebCrypto allows; a SCRAM server that asks for more is refused everywhere alike. */
export const SCRAM_ITERATIONS_MAX = 100_000
/** Partitions of one table that are cut one by one; a table with more is read in one piece, so that its description stays small. */
export const PARTITIONS_CUT_MAX = 2_000
/** Small partitions that share a chunk, so that a thousand empty ones do not cost a connection each. */
export const PARTITIONS_PER_CHUNK = 50

/** Files: read of the first file to find dialect and types; a few hundred records even of wide tables. */
export const FILE_SAMPLE_BYTES = 1024 * 1024
/** Files: read at further places and of further files, to see types that the beginning does not show. */
export const FILE_WINDOW_BYTES = 64 * 1024
export const FILE_WINDOWS = 8
/** Files: up to this much in all, types are inferred from everything instead of samples. */
export const FILE_FULL_SCAN_BYTES = 8 * 1024 * 1024
/** Objects of one pattern; more would not fit a listing in memory. */
export const OBJECTS_PER_STREAM_MAX = 100_000
/** Objects kept in the description, which rides along with every chunk; more are listed again. */
export const OBJECTS_IN_DESCRIPTION_MAX = 64
/** Requests of one description under way at once; Workers wait for six answers at a time. */
export const OBJECT_REQUESTS_AT_ONCE = 4
/** A query that sent nothing for this long is given up, even if the server says that it still works on it. */
export const SILENT_QUERY_MAX_MS = 60 * 60 * 1000
