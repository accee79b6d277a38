import type { Json } from '../core/chunk.ts'

/** One JSON line per event. Fields never hold row data or credentials; URIs are stripped of user info and query all the same. */
export function log(event: string, fields: Record<string, Json> = {}): void {
  console.log(
    JSON.stringify({ at: new Date().toISOString(), event, ...fields }, (_key, value) =>
      typeof value === 'string' ? redact(value) : value,
    ),
  )
}

/** Takes the credentials out of any URI inside a text: user info, and the values of query parameters. */
export function redact(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"'?#]*(?::[^\s"'@]*)?@/gi, '$1***@')
    .replace(/([?&][a-z0-9_.-]*(?:key|secret|token|password|signature|credential)[a-z0-9_.-]*=)[^\s&"'#]+/gi, '$1***')
}
