/** One file. JSON, because chunks carry it. A type alias, so that it is one. */
export type StoredObject = {
  /** As the store names it: the key, or the path and query of a URL. */
  key: string
  /** Bytes; absent when the store does not say. */
  size?: number
  /** Strong validators, as the store wrote them: reads are refused once the object is another. */
  etag?: string
  modified?: string
  /** Parts of it can be read. */
  ranges: boolean
}

/** `to` is exclusive. */
export interface ByteRange {
  from: number
  to: number
}

export interface OpenedBody {
  body: ReadableStream<Uint8Array> | null
  /** Exactly so many bytes must come; absent when the store does not say. */
  bytes?: number
}

/** All that the file logic needs of a store. Faults carry their whole place. */
export interface ObjectStore {
  /** Connector kind. */
  readonly system: string
  /** Where it is, without credentials. */
  readonly address: string
  check(): Promise<void>
  /** Objects that a pattern names, in a fixed order; `hinted` says that the user stated the format. @throws IngestError `missing` when there is none */
  list(pattern: string, hinted: boolean): AsyncIterable<StoredObject>
  /** The bytes of exactly this version of the object. Aborting `signal` stops the transfer. @throws IngestError `rejected` with code `object-changed` */
  open(object: StoredObject, range: ByteRange | undefined, signal: AbortSignal): Promise<OpenedBody>
}
