/**
 * The content checksum that two different systems can compute on their own copies of the same rows.
 *
 * Per row: the canonical text of each field, in the order given, null as `N`, any other value as `V` + text, joined by
 * U+001F; MD5 of its UTF-8 bytes; the first 8 hex digits read as an unsigned 32-bit number. Of many rows: the sum, as
 * decimal digits. A sum needs no order, so chunks add up.
 *
 * Canonical text per kind: boolean `t`/`f` · int decimal digits · float the IEEE 754 bits as lower-case big-endian hex
 * (every NaN as `nan`) · decimal with exactly `scale` digits after the point · string and json the text · bytes
 * lower-case hex · date `YYYY-MM-DD` · timestamp whole microseconds since 1970-01-01 00:00:00 UTC · uuid lower case.
 * Times and arrays are left out: `CHECKSUM_KINDS` names the kinds a checksum may cover.
 */
export const CHECKSUM_METHOD = 'sum-md5-32'
export const CHECKSUM_SEPARATOR = '\u001f'
export const CHECKSUM_KINDS = ['boolean', 'int', 'float', 'decimal', 'string', 'json', 'bytes', 'date', 'timestamp', 'uuid'] as const

/** Sums of chunks add up. */
export function addChecksums(a: string, b: string): string {
  return (BigInt(a) + BigInt(b)).toString()
}
