/**
 * Last line of defence for messages and log lines: the credentials of any URI inside a text become `***`. Faults are
 * written without secrets in the first place.
 */
export function redact(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi, '$1***@')
    .replace(/([?&][^=&\s"']*(?:key|secret|token|password|passwd|signature|credential)[^=&\s"']*=)[^\s&#"']+/gi, '$1***')
}
