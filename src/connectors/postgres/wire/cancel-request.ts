import type { Io } from '../../../core/connector.ts'
import type { PostgresConfig } from '../config.ts'
import { connectSocket } from './connect.ts'
import { Interrupt } from './interrupt.ts'
import { cancelRequest } from './messages.ts'
import type { CancelKey } from './session.ts'

/** Stops the statement of another connection. Best effort: never throws, since the data socket is closed as well. */
export async function sendCancel(config: PostgresConfig, io: Io, key: CancelKey, encrypted: boolean): Promise<void> {
  const interrupt = new Interrupt()
  const deadline = setTimeout(() => interrupt.fail(new Error('The cancel request took too long')), config.connectTimeoutMs)
  try {
    // Poolers and proxies find the session by what TLS tells them, so the request travels as the session did.
    const { socket } = await connectSocket({ ...config, sslmode: encrypted ? config.sslmode : 'disable' }, io, interrupt)
    try {
      await interrupt.wait(socket.write(cancelRequest(key)))
      // Read to the end: on Workers the socket is not let go of otherwise.
      let buffer = new Uint8Array(64)
      for (;;) {
        const { done, value } = await interrupt.wait(socket.readAtLeast(1, buffer))
        if (done) break
        buffer = new Uint8Array(value.buffer as ArrayBuffer)
      }
    } finally {
      socket.close()
    }
  } catch {
    // The server finds out when it next writes to the closed data socket.
  } finally {
    clearTimeout(deadline)
  }
}
