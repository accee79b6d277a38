import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** What happens to connections opened while it is set, and to those that are open. */
export interface Weather {
  /** Bytes per second from the server to the client, over all connections together. */
  downBytesPerSecond?: number
  /** Bytes per second from the client to the server, over all connections together. */
  upBytesPerSecond?: number
  /** Nothing passes in either direction any more; connections stay open. */
  blackHole?: boolean
  /** New connections are closed at once. */
  refuses?: boolean
  /** Each piece of data waits this long first. */
  delayMs?: number
}

/** A network between two TCP peers on loopback, with weather. */
export class TcpProxy {
  readonly port: number
  weather: Weather = {}
  /** Connections accepted so far. */
  accepted = 0
  private readonly server: Server
  private readonly targetPort: number
  private readonly sockets = new Set<Socket>()
  private readonly readyMs = { up: 0, down: 0 }

  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TcpProxy(server, targetPort)
  }

  private constructor(server: Server, targetPort: number) {
    this.server = server
    this.targetPort = targetPort
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (client) => this.accept(client))
  }

  /** Resets every open connection. @returns how many there were */
  cut(): number {
    const open = this.sockets.size / 2
    for (const socket of this.sockets) socket.resetAndDestroy()
    return open
  }

  get open(): number {
    return this.sockets.size / 2
  }

  async stop(): Promise<void> {
    this.cut()
    this.server.close()
    await once(this.server, 'close')
  }

  private accept(client: Socket): void {
    this.accepted++
    if (this.weather.refuses) return void client.resetAndDestroy()
    const target = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [client, target]) {
      this.sockets.add(socket)
      socket.on('error', () => {})
    }
    const gone = () => {
      this.sockets.delete(client)
      this.sockets.delete(target)
      client.destroy()
      target.destroy()
    }
    client.on('close', gone)
    target.on('close', gone)
    void this.pump(client, target, 'up')
    void this.pump(target, client, 'down')
  }

  private async pump(from: Socket, to: Socket, way: 'up' | 'down'): Promise<void> {
    try {
      for await (const piece of from as AsyncIterable<Buffer>) {
        for (let at = 0; at < piece.length; at += 16 * 1024) {
          const part = piece.subarray(at, at + 16 * 1024)
          await this.hold(way, part.length, to)
          if (to.destroyed) return
          if (!to.write(part)) await once(to, 'drain')
        }
      }
      await this.hold(way, 0, to)
      to.end()
    } catch {
      to.destroy()
    }
  }

  private async hold(way: 'up' | 'down', bytes: number, to: Socket): Promise<void> {
    const { delayMs = 0 } = this.weather
    if (delayMs > 0) await sleep(delayMs)
    const rate = way === 'up' ? this.weather.upBytesPerSecond : this.weather.downBytesPerSecond
    if (rate !== undefined) {
      this.readyMs[way] = Math.max(Date.now(), this.readyMs[way]) + (bytes / rate) * 1000
      // Looked at again and again, so that the weather can clear.
      while (
        !to.destroyed &&
        this.readyMs[way] > Date.now() &&
        (way === 'up' ? this.weather.upBytesPerSecond : this.weather.downBytesPerSecond)
      )
        await sleep(Math.max(1, Math.min(50, this.readyMs[way] - Date.now())))
    }
    while (this.weather.blackHole && !to.destroyed) await sleep(20)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
