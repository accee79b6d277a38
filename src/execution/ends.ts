import { destinationEnd, type End, sourceEnd } from '../connectors/registry.ts'
import type { Destination, Source } from '../core/connector.ts'
import type { LoadCommand } from '../operations/operations.ts'
import type { PrivateAddresses } from '../platform/address.ts'
import { workerIo } from '../platform/io.ts'

interface Opened {
  source: Source
  destination: Destination
  controller: AbortController
}

/** Both ends of a load, opened when first needed and kept from step to step; opened anew after a step was stopped. */
export class Ends {
  readonly source: End<Source>
  readonly destination: End<Destination>
  private readonly privateAddresses: PrivateAddresses
  private readonly idleTimeoutMs: number | undefined
  private opened: Opened | undefined

  constructor(command: LoadCommand, privateAddresses: PrivateAddresses, idleTimeoutMs?: number) {
    this.source = sourceEnd(command.sourceUri)
    this.destination = destinationEnd(command.destinationUri)
    this.privateAddresses = privateAddresses
    this.idleTimeoutMs = idleTimeoutMs
  }

  open(): Opened {
    if (!this.opened) {
      const controller = new AbortController()
      const io = workerIo(this.privateAddresses, controller.signal, this.idleTimeoutMs)
      this.opened = { source: this.source.open(io), destination: this.destination.open(io), controller }
    }
    return this.opened
  }

  /** Ends everything under way at both ends. A reason given to abort() would surface as an uncaught error of the invocation. */
  stop(): void {
    this.opened?.controller.abort()
  }

  /** Never throws. */
  async close(): Promise<void> {
    const opened = this.opened
    this.opened = undefined
    await Promise.allSettled([opened?.source.close(), opened?.destination.close()])
  }
}
