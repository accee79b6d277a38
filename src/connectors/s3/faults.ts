import { type Fault, IngestError, type Place } from '../../core/errors.ts'
import { REMOTE_MESSAGE_MAX_CHARS } from '../../limits.ts'
import { objectChanged } from '../shared/faults.ts'

export interface S3Answer {
  status: number
  /** `Code` of the XML body; absent for HEAD, which has none. */
  code?: string
  message?: string
  /** Where the bucket is, as the answer says. */
  region?: string
  retryAfterSeconds?: number
}

/** What S3 refused, from https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. The codes are shared by the compatible stores. */
export function s3Fault(answer: S3Answer, asked: { region: string; signed: boolean }, place: Place): IngestError {
  const { status, code } = answer
  if (code === 'PreconditionFailed' || status === 412) return objectChanged(place)
  return new IngestError(fault(answer, asked, { side: 'source', ...place }))
}

function fault(answer: S3Answer, asked: { region: string; signed: boolean }, place: Place): Fault {
  const { status, code, region } = answer
  const told = (message: string, remedy: string) => ({ message, place, remedy, code: code ?? String(status) })
  if (region !== undefined && region !== asked.region && (status === 301 || status === 307 || status === 400)) {
    return {
      tag: 'invalid-request',
      issues: [{ path: 'region', message: `The bucket is in ${region}, not in ${asked.region}: give region=${region}` }],
    }
  }
  switch (code) {
    case 'NoSuchBucket':
      return { tag: 'missing', ...told('The bucket does not exist', 'Check the name of the bucket, the endpoint and the region.') }
    case 'NoSuchKey':
      return { tag: 'missing', ...told('The object does not exist', 'Check the key; upper and lower case count.') }
    case 'InvalidAccessKeyId':
      return { tag: 'denied', ...told('The store does not know the access key id', 'Check access_key_id, and that the key is active.') }
    case 'SignatureDoesNotMatch':
      return {
        tag: 'denied',
        ...told('The secret does not belong to the access key', 'Check access_key_secret; a literal % in it is written %25.'),
      }
    case 'RequestTimeTooSkewed':
      return {
        tag: 'denied',
        ...told(
          'The clocks of this service and of the store differ by more than 15 minutes',
          'Correct the clock of the store, or of the machine that runs this service.',
        ),
      }
    case 'ExpiredToken':
    case 'InvalidToken':
      return { tag: 'denied', ...told('The session token is expired or invalid', 'Ask for new temporary credentials.') }
    case 'AuthorizationHeaderMalformed':
      return { tag: 'denied', ...told('The store refuses the signature', region ? `Give region=${region}.` : 'Check the region.') }
    case 'PermanentRedirect':
    case 'TemporaryRedirect':
      return {
        tag: 'rejected',
        ...told('The bucket must be addressed at another endpoint', 'Give its region, or its endpoint as endpoint_url.'),
      }
    case 'InvalidObjectState':
      return { tag: 'rejected', ...told('The object lies in an archive', 'Restore it first.') }
    case 'SlowDown':
    case 'TooManyRequests':
    case 'RequestLimitExceeded':
      return throttled(answer, told('The store asks for fewer requests', 'The request is repeated later.'))
  }
  if (status === 503 || status === 429) return throttled(answer, told('The store is busy', 'The request is repeated later.'))
  if (status === 401 || status === 403) {
    return {
      tag: 'denied',
      ...told(
        'Access is denied',
        asked.signed
          ? 'Give the key the rights s3:GetObject and s3:ListBucket on this bucket.'
          : 'The bucket is not public: give access_key_id and access_key_secret.',
      ),
    }
  }
  if (status === 404)
    return { tag: 'missing', ...told('The bucket or object does not exist', 'Check the names; upper and lower case count.') }
  if (status >= 500)
    return {
      tag: 'unreachable',
      ...told(`The store failed: ${remoteText(answer)}`, 'The request is repeated; if it goes on, ask who runs the store.'),
    }
  return { tag: 'rejected', ...told(`The store refused: ${remoteText(answer)}`, 'See the message of the store.') }
}

function throttled(answer: S3Answer, told: { message: string; place: Place; remedy: string; code: string }): Fault {
  return { tag: 'throttled', ...told, ...(answer.retryAfterSeconds !== undefined && { retryAfterSeconds: answer.retryAfterSeconds }) }
}

function remoteText({ status, code, message }: S3Answer): string {
  return `HTTP ${status}${code ? ` ${code}` : ''}${message ? `, ${message.slice(0, REMOTE_MESSAGE_MAX_CHARS)}` : ''}`
}
