/** The id a client or proxy sent, when it is short and plain enough to be logged and echoed; a new one otherwise. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get('x-request-id')
  return given && /^[A-Za-z0-9._:-]{1,128}$/.test(given) ? given : crypto.randomUUID()
}
