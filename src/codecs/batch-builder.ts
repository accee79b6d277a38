import type { RecordBatch } from '../core/payload.ts'
import { BATCH_MAX_BYTES, BATCH_MAX_ROWS } from '../limits.ts'

/** Collects rows into columns until a batch is full. */
export class BatchBuilder {
  private columns: unknown[][]
  private rows = 0
  private bytes = 0
  private readonly width: number

  constructor(width: number) {
    this.width = width
    this.columns = emptyColumns(width)
  }

  /** `bytes` is about what the row weighs. */
  add(row: readonly unknown[], bytes: number): void {
    for (let index = 0; index < this.width; index++) (this.columns[index] as unknown[]).push(row[index])
    this.rows++
    this.bytes += bytes
  }

  isFull(): boolean {
    return this.rows >= BATCH_MAX_ROWS || this.bytes >= BATCH_MAX_BYTES
  }

  /** What was collected, if anything; starts anew. */
  take(): RecordBatch | undefined {
    if (this.rows === 0) return undefined
    const batch = { rowCount: this.rows, columns: this.columns }
    this.columns = emptyColumns(this.width)
    this.rows = 0
    this.bytes = 0
    return batch
  }
}

function emptyColumns(width: number): unknown[][] {
  return Array.from({ length: width }, () => [])
}
