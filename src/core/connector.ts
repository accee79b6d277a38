import type { z } from 'zod'
import type { Chunk, CommitResult, Json, ReadRequest, Receipt, StreamDescription, Target, TargetPlan } from './chunk.ts'
import type { Lane, Payload } from './payload.ts'

/**
 * A store that can be read. Opened per task, in any isolate; keeps nothing between calls but connections, which
 * `close` ends. Every method throws `IngestError` and honours `io.signal`.
 */
export interface Source {
  /** Cheapest call that proves credentials and reachability. */
  check(): Promise<void>
  /** Once per execution and resource, repeatable. Finds the stream, its columns and its size. */
  describe(request: ReadRequest): Promise<StreamDescription>
  /** Cuts the stream into slices that each decode alone. Lazy: may be stopped, and resumed behind `after`, in another isolate. */
  plan(description: StreamDescription, targetChunkBytes: number, after?: Chunk): AsyncIterable<Chunk>
  /** At least once per chunk, in any isolate, in any order. Pull-driven. */
  read(description: StreamDescription, chunk: Chunk, lane: Lane, options: ReadOptions): Promise<Payload>
  /** One view of the whole source for many readers. Absent: the source has none, or needs none. */
  holdSnapshot?(): Promise<HeldSnapshot>
  /** Content checksum of one chunk by the rule of core/checksum.ts, over the fields named. */
  checksum?(description: StreamDescription, chunk: Chunk, fields: string[], options: ReadOptions): Promise<string>
  close(): Promise<void>
}

export interface ReadOptions {
  /** From `HeldSnapshot.token`. A source that cannot use it any more throws fault `snapshot-lost`. */
  snapshot?: Json
  /** For pseudonymized columns. */
  pseudonymSalt: string
}

export interface HeldSnapshot {
  readonly token: Json
  /** Called every SNAPSHOT_KEEPALIVE_MS; throws `snapshot-lost` when it is gone. */
  keepAlive(): Promise<void>
  /** Never throws. */
  release(): Promise<void>
}

/** A store that can be written. Life cycle of a load: plan → prepare → write per chunk → commit | abort. */
export interface Destination {
  /** Preferred first. */
  readonly accepts: readonly Lane[]
  check(): Promise<void>
  /** Reads only. Called for every execution, and alone by a dry run. Throws `schema-conflict` where the load cannot fit. */
  plan(target: Target): Promise<TargetPlan>
  /** Once per execution and resource, repeatable. Nothing a reader of the destination would notice. The result rides along with every call below. */
  prepare(plan: TargetPlan, loadId: string): Promise<Json>
  /**
   * At least once per chunk. Each attempt has an id never used before, so a zombie of an earlier attempt cannot touch
   * this one; receipts of attempts that did not win are never committed. Consumes the payload and awaits its
   * `completed`, or cancels it. `onProgress` is told the bytes handed over so far.
   */
  write(prepared: Json, attempt: Attempt, payload: Payload, onProgress: (bytes: number) => void): Promise<Receipt>
  /** Makes all chunks of the receipts visible in one step. Repeatable after any interruption; one caller per destination table at a time. */
  commit(prepared: Json, receipts: AsyncIterable<Receipt>, journal: Journal): Promise<CommitResult>
  /** Removes everything staged, whatever state the load is in; after a commit it only cleans up. Repeatable. */
  abort(prepared: Json): Promise<void>
  /** Content checksum of one staged chunk by the rule of core/checksum.ts, over the fields named. */
  checksum?(prepared: Json, receipt: Receipt, fields: string[]): Promise<string>
  /** Names of the fields whose stored values both `checksum` rules can reproduce. */
  checksumFields?(prepared: Json): string[]
  close(): Promise<void>
}

export interface Attempt {
  chunkId: string
  /** `[a-z0-9]{1,16}`. */
  attemptId: string
}

/** A few durable bytes for a commit, kept by the caller across crashes: read at the start, written before a point of no return. */
export interface Journal {
  load(): Promise<Json | undefined>
  save(entry: Json): Promise<void>
}

/** Everything a connector may touch outside itself. Tests pass one on Node; no connector sees `env`. */
export interface Io {
  /** Refuses addresses that the operator does not allow, also after redirects. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>
  connect(host: string, port: number, options: ConnectOptions): Promise<ByteSocket>
  /** For libraries that open sockets themselves: throws when the operator does not allow this address. */
  assertAllowed(host: string, port: number): void
  /** A byte pipe with the least copying the platform has; once a write settled the reader took it, and its memory may be used again. */
  pipe(): { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> }
  /** Aborted on cancel; the pieces stop by themselves. */
  readonly signal: AbortSignal
  /** How long a remote may move no byte before it is taken for dead; absent: IDLE_TIMEOUT_MS of limits.ts. */
  readonly idleTimeoutMs?: number
  nowMs(): number
  /** `fields` never hold row data or credentials. */
  log(event: string, fields?: Record<string, Json>): void
}

export interface ConnectOptions {
  tls: 'off' | 'on' | 'starttls'
  timeoutMs: number
}

export interface ByteSocket {
  /**
   * Waits until at least `minBytes` arrived (or the peer ended, then `done` once nothing is left) and returns a view on
   * the same memory; `buffer` itself is detached by the call, go on with `value.buffer`.
   */
  readAtLeast(minBytes: number, buffer: Uint8Array): Promise<{ done: boolean; value: Uint8Array }>
  write(bytes: Uint8Array): Promise<void>
  /** Only after `tls: 'starttls'`. The certificate must be valid for `serverName`. */
  startTls(serverName: string): Promise<ByteSocket>
  /** Hard and at once; never throws. */
  close(): void
}

export interface Connector<Config extends z.ZodType = z.ZodType> {
  /** `postgres` */
  readonly kind: string
  /** URI schemes without the colon: `postgres`, `postgresql`. */
  readonly schemes: readonly string[]
  /** The only description of the settings; secrets are marked with `.meta({ secret: true })`. */
  readonly config: Config
  /** Reads a URI into settings; throws `invalid-request` for what it does not know, without echoing secrets. */
  fromUri(uri: string): z.output<Config>
  /** What the connection limits are counted on: `postgres://host:5432`. Never a secret. */
  address(config: z.output<Config>): string
  openSource?(config: z.output<Config>, io: Io): Source
  openDestination?(config: z.output<Config>, io: Io): Destination
}
