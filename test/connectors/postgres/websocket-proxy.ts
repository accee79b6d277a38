import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'

/** A WebSocket server (RFC 6455, binary frames) that passes bytes on to a TCP port, as Neon's proxy does. */
export async function websocketProxy(targetPort: number): Promise<{ port: number; connections: () => number; close(): void }> {
  const server = createServer()
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('upgrade', (request, socket: Socket) => {
    connections++
    const key = request.headers['sec-websocket-key'] ?? ''
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
    const target = connect(targetPort, '127.0.0.1')
    for (const end of [socket, target]) {
      sockets.add(end)
      end.on('error', () => {})
      end.on('close', () => {
        socket.destroy()
        target.destroy()
      })
    }
    target.on('data', (data) => socket.write(Buffer.concat([header(data.length), data])))
    let pending = Buffer.alloc(0)
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data])
      for (;;) {
        const frame = parse(pending)
        if (!frame) return
        pending = pending.subarray(frame.bytes)
        if (frame.opcode === 8) return void socket.end(Buffer.from([0x88, 0]))
        if (frame.opcode <= 2) target.write(frame.payload)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    connections: () => connections,
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

function header(length: number): Buffer {
  if (length < 126) return Buffer.from([0x82, length])
  const long = Buffer.alloc(length < 65_536 ? 4 : 10)
  long[0] = 0x82
  long[1] = length < 65_536 ? 126 : 127
  if (length < 65_536) long.writeUInt16BE(length, 2)
  else long.writeBigUInt64BE(BigInt(length), 2)
  return long
}

/** Frames of a client are masked. */
function parse(data: Buffer): { opcode: number; payload: Buffer; bytes: number } | undefined {
  if (data.length < 2) return undefined
  const short = (data[1] ?? 0) & 0x7f
  const at = short === 126 ? 4 : short === 127 ? 10 : 2
  if (data.length < at + 4) return undefined
  const length = short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short
  if (data.length < at + 4 + length) return undefined
  const mask = data.subarray(at, at + 4)
  const payload = Buffer.from(data.subarray(at + 4, at + 4 + length).map((byte, index) => byte ^ (mask[index % 4] ?? 0)))
  return { opcode: (data[0] ?? 0) & 0x0f, payload, bytes: at + 4 + length }
}
