/**
 * Last line of defence for messages and log lines: credentials inside URIs and secret-looking options become `***`.
 * Faults are written without secrets in the first place.
 */
export function redact(text: string): string {
  return text
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/?#"']*@/gi, '$1***@')
    .replace(/([?&][^=&\s"']*(?:secret|password|passwd|token|key|credential|signature)[^=&\s"']*=)[^&\s"']+/gi, '$1***')
}
