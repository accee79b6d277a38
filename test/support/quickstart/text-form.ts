export function number(value: number): string {
  return value.toLocaleString('en-US')
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

export function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`
}

/** A table for people; the first row is its head, numbers stand right. */
export function textTable(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? '')].length)))
  const isNumber = (cell: string) => /^([\d,.-]+( \w+)?|–)$/.test(cell)
  const line = (row: string[]) =>
    row
      .map((cell, column) => {
        const fill = ' '.repeat((widths[column] ?? 0) - [...cell].length)
        const right = rows.slice(1).every((other) => isNumber(other[column] ?? ''))
        return right ? fill + cell : cell + fill
      })
      .join('  ')
      .trimEnd()
  const [head = [], ...body] = rows
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...body.map(line)].map((text) => `  ${text}`).join('\n')
}
