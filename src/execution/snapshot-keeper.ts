import { sourceEnd } from '../connectors/registry.ts'
import type { Json } from '../core/chunk.ts'
import type { HeldSnapshot, Source } from '../core/connector.ts'
import type { PrivateAddresses } from '../platform/address.ts'
import { workerIo } from '../platform/io.ts'

interface Held {
  generation: number
  source: Source
  snapshot: HeldSnapshot
}

/**
 * Keeps one view of the source alive for all chunks of an execution. It lives in memory alone: after a restart of the
 * object, or when the source ends the connection, the next chunk gets a new one under the next generation number.
 */
export class SnapshotKeeper {
  private held: Promise<Held | null> | undefined
  private readonly privateAddresses: PrivateAddresses
  private readonly idleTimeoutMs: number | undefined

  constructor(privateAddresses: PrivateAddresses, idleTimeoutMs?: number) {
    this.privateAddresses = privateAddresses
    this.idleTimeoutMs = idleTimeoutMs
  }

  /**
   * @param nextGeneration called once when a snapshot has to be taken; stores and returns its number
   * @returns null when the source has no snapshots
   */
  async token(sourceUri: () => Promise<string>, nextGeneration: () => number): Promise<{ generation: number; token: Json } | null> {
    this.held ??= this.take(sourceUri, nextGeneration)
    try {
      const held = await this.held
      return held && { generation: held.generation, token: held.snapshot.token }
    } catch (error) {
      this.held = undefined
      throw error
    }
  }

  private async take(sourceUri: () => Promise<string>, nextGeneration: () => number): Promise<Held | null> {
    const source = sourceEnd(await sourceUri()).open(workerIo(this.privateAddresses, new AbortController().signal, this.idleTimeoutMs))
    try {
      if (!source.holdSnapshot) {
        await source.close()
        return null
      }
      const snapshot = await source.holdSnapshot()
      return { generation: nextGeneration(), source, snapshot }
    } catch (error) {
      await source.close()
      throw error
    }
  }

  get isHeld(): boolean {
    return this.held !== undefined
  }

  /** Never throws: a snapshot that is gone is let go, and the next chunk takes a new one. */
  async keepAlive(): Promise<void> {
    const before = this.held
    try {
      await (await before)?.snapshot.keepAlive()
    } catch {
      if (this.held === before) await this.letGo()
    }
  }

  /** Lets go of the snapshot of this generation, if it is still the one held; never throws. */
  async letGo(generation?: number): Promise<void> {
    const before = this.held
    if (!before) return
    try {
      const held = await before
      if (this.held !== before || (generation !== undefined && held?.generation !== generation)) return
      this.held = undefined
      await held?.snapshot.release()
      await held?.source.close()
    } catch {
      // What cannot be released is gone already.
      if (this.held === before) this.held = undefined
    }
  }
}
