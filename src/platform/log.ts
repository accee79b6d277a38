import type { Json } from '../core/chunk.ts'
import { redact } from '../core/redact.ts'

/** One JSON line per event. Fields never hold row data or credentials; URIs are stripped of user info and query all the same. */
export function log(event: string, fields: Record<string, Json> = {}): void {
  console.log(
    JSON.stringify({ at: new Date().toISOString(), event, ...fields }, (_key, value) =>
      typeof value === 'string' ? redact(value) : value,
    ),
  )
}
