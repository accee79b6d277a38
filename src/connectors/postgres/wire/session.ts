import type { ByteSocket, Io } from '../../../core/connector.ts'
import { type Fault, IngestError } from '../../../core/errors.ts'
import type { PostgresConfig } from '../config.ts'
import { sourcePlace, toIngestError } from '../faults.ts'
import { authenticate } from './authenticate.ts'
import { connectSocket, withinConnectTime } from './connect.ts'
import type { Interrupt } from './interrupt.ts'
import { MessageReader } from './message-reader.ts'
import { startup } from './messages.ts'
import { parseInt32 } from './replies.ts'

export interface CancelKey {
  processId: number
  secret: Uint8Array
}

export interface Session {
  socket: ByteSocket
  reader: MessageReader
  cancelKey: CancelKey | undefined
  encrypted: boolean
}

/** A connection that is ready for its first query. `interrupt` ends the attempt, and closes the socket later on. */
export async function openSession(config: PostgresConfig, io: Io, interrupt: Interrupt): Promise<Session> {
  const place = sourcePlace(config)
  try {
    return await withinConnectTime(config, interrupt, async () => {
      const { socket, encrypted, tlsError } = await connectSocket(config, io, interrupt)
      try {
        const session = await interrupt.wait(greet(socket, config))
        return { socket, encrypted, ...session }
      } catch (error) {
        socket.close()
        throw tlsError === undefined ? error : explainTls(toIngestError(error, place), tlsError)
      }
    })
  } catch (error) {
    throw toIngestError(error, place)
  }
}

async function greet(socket: ByteSocket, config: PostgresConfig): Promise<{ reader: MessageReader; cancelKey: CancelKey | undefined }> {
  const reader = new MessageReader(socket)
  await socket.write(
    startup({
      user: config.user,
      database: config.database,
      application_name: 'sluice',
      client_encoding: 'UTF8',
      ...(config.options ? { options: config.options } : {}),
    }),
  )
  await authenticate(reader, (bytes) => socket.write(bytes), config, sourcePlace(config))
  let cancelKey: CancelKey | undefined
  for (;;) {
    const { type, body } = await reader.next()
    if (type === 'K') cancelKey = { processId: parseInt32(body, 0), secret: body.slice(4) }
    if (type === 'Z') return { reader, cancelKey }
  }
}

/** Under `prefer` the plain-text refusal alone would hide why TLS was not used. */
function explainTls(error: IngestError, tlsError: string): IngestError {
  const fault: Fault = error.fault
  if (!('remedy' in fault)) return error
  return new IngestError(
    { ...fault, message: `${fault.message} (TLS was tried first and failed: ${tlsError})` },
    { cause: error.cause ?? error },
  )
}
