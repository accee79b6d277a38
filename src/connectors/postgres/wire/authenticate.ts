import { createHash } from 'node:crypto'
import { IngestError, type Place } from '../../../core/errors.ts'
import { SCRAM_ITERATIONS_MAX } from '../../../limits.ts'
import type { MessageReader } from './message-reader.ts'
import { concat, password as passwordMessage, saslInitial, saslResponse } from './messages.ts'
import { parseInt32, parseText, parseTexts } from './replies.ts'
import { clientFinal, clientFirst, SCRAM_MECHANISM, ScramError } from './scram.ts'

const utf8 = new TextDecoder()

interface Credentials {
  user: string
  password: string
}

/** Answers the server's request for credentials until it says that they are good. Throws its error else. */
export async function authenticate(
  reader: MessageReader,
  send: (bytes: Uint8Array) => Promise<void>,
  credentials: Credentials,
  place: Place,
): Promise<void> {
  for (;;) {
    const { type, body } = await reader.next()
    // NegotiateProtocolVersion: the server goes on in an older minor version, which is the one spoken here.
    if (type === 'v') continue
    if (type !== 'R') throw unsupported(place, 'The server answered the start-up with something else than an authentication request')
    const method = parseInt32(body, 0)
    if (method === 0) return
    if (!credentials.password) throw noPassword(place)
    switch (method) {
      case 3:
        await send(passwordMessage(credentials.password))
        break
      case 5:
        await send(passwordMessage(md5Answer(credentials, body.slice(4, 8))))
        break
      case 10:
        await scram(reader, send, credentials.password, parseTexts(body, 4), place)
        break
      default:
        throw unsupported(place, `The server asks for ${METHODS[method] ?? `authentication method ${method}`}`)
    }
  }
}

const METHODS: Record<number, string> = { 2: 'Kerberos', 7: 'GSSAPI', 8: 'GSSAPI', 9: 'SSPI' }

/** `md5` + md5(md5(password + user) + salt). WebCrypto has no MD5 on Node; node:crypto has it on both. */
export function md5Answer({ user, password }: Credentials, salt: Uint8Array): string {
  const inner = createHash('md5').update(`${password}${user}`, 'utf8').digest('hex')
  return `md5${createHash('md5')
    .update(concat([new TextEncoder().encode(inner), salt]))
    .digest('hex')}`
}

async function scram(
  reader: MessageReader,
  send: (bytes: Uint8Array) => Promise<void>,
  password: string,
  mechanisms: string[],
  place: Place,
): Promise<void> {
  if (!mechanisms.includes(SCRAM_MECHANISM))
    throw unsupported(place, `The server offers only ${mechanisms.join(', ') || 'unknown mechanisms'}`)
  try {
    const first = clientFirst()
    await send(saslInitial(SCRAM_MECHANISM, first.message))
    const final = await clientFinal(password, first.nonce, await expect(reader, 11))
    await send(saslResponse(final.message))
    final.verify(await expect(reader, 12))
  } catch (error) {
    throw error instanceof ScramError ? scramFault(error, place) : error
  }
}

async function expect(reader: MessageReader, step: number): Promise<string> {
  const { type, body } = await reader.next()
  if (type !== 'R' || parseInt32(body, 0) !== step) throw new ScramError('protocol', `the server skipped step ${step}`)
  return step === 11 ? utf8.decode(body.subarray(4)) : parseText(body, 4)
}

function scramFault(error: ScramError, place: Place): IngestError {
  const message = `SCRAM authentication failed: ${error.message}`
  if (error.reason === 'iterations') {
    return new IngestError(
      { tag: 'unsupported', message, place, remedy: `Set scram_iterations to ${SCRAM_ITERATIONS_MAX} or less and set the password again.` },
      { cause: error },
    )
  }
  const remedy = 'Something between here and the server may be answering in its name; check host, port and sslmode.'
  return new IngestError({ tag: 'denied', message, place, remedy }, { cause: error })
}

function noPassword(place: Place): IngestError {
  return new IngestError({
    tag: 'denied',
    message: 'The server asks for a password and the connection has none',
    place,
    remedy: 'Give the password of this user.',
  })
}

function unsupported(place: Place, message: string): IngestError {
  return new IngestError({
    tag: 'unsupported',
    message,
    place,
    remedy: 'Let this user in with scram-sha-256, md5 or password in pg_hba.conf.',
  })
}
