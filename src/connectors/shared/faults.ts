import { type Fault, IngestError, type Place } from '../../core/errors.ts'

/** Adds what a codec could not know to the place of its fault; what is there stays. */
export function placed(error: unknown, place: Place): unknown {
  if (!(error instanceof IngestError) || !('place' in error.fault)) return error
  const fault = { ...error.fault, place: { ...place, ...error.fault.place } } as Fault
  return new IngestError(fault, { cause: error.cause })
}

export async function withPlace<T>(place: Place, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw placed(error, place)
  }
}

/** The transfer broke: no answer, connection lost, fewer bytes than announced. */
export function unreachable(message: string, place: Place, cause?: unknown): IngestError {
  return new IngestError(
    {
      tag: 'unreachable',
      message,
      place: { side: 'source', ...place },
      remedy: 'Check that the address is right and that the store can be reached; the read is tried again.',
    },
    { cause },
  )
}

export function objectChanged(place: Place): IngestError {
  return new IngestError({
    tag: 'rejected',
    code: 'object-changed',
    message: 'The file changed while it was being loaded',
    place: { side: 'source', ...place },
    remedy: 'Nothing was published. Run the load again once nobody writes the file.',
  })
}

export function missing(message: string, place: Place, remedy: string, code?: string): IngestError {
  return new IngestError({ tag: 'missing', message, place: { side: 'source', ...place }, remedy, ...(code && { code }) })
}

export function unsupported(message: string, place: Place, remedy: string): IngestError {
  return new IngestError({ tag: 'unsupported', message, place: { side: 'source', ...place }, remedy })
}
