import { type Fault, IngestError, type Place } from '../../core/errors.ts'
import { objectChanged } from '../shared/faults.ts'

/** What a web server refused, by status. */
export function httpFault(response: Response, place: Place): IngestError {
  if (response.status === 412) return objectChanged(place)
  return new IngestError(fault(response, { side: 'source', ...place }))
}

function fault(response: Response, place: Place): Fault {
  const { status } = response
  const told = (message: string, remedy: string) => ({ message, place, remedy, code: String(status) })
  if (status === 401)
    return {
      tag: 'denied',
      ...told('The server asks for credentials', 'Put user and password into the URL: https://user:password@host/….'),
    }
  if (status === 403) return { tag: 'denied', ...told('Access is denied', 'Check the credentials; a signed URL may have expired.') }
  if (status === 404 || status === 410)
    return { tag: 'missing', ...told('The file does not exist', 'Check the address; upper and lower case count.') }
  if (status === 429 || status === 503) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    return {
      tag: 'throttled',
      ...told('The server asks for fewer requests', 'The request is repeated later.'),
      ...(Number.isFinite(seconds) && { retryAfterSeconds: seconds }),
    }
  }
  if (status >= 300 && status <= 399)
    return { tag: 'rejected', ...told('The server redirects without an end or an address', 'Give the final address.') }
  if (status >= 500)
    return {
      tag: 'unreachable',
      ...told(`The server failed: HTTP ${status}`, 'The request is repeated; if it goes on, ask who runs the server.'),
    }
  return { tag: 'rejected', ...told(`The server refused: HTTP ${status}`, 'Check the address.') }
}
