import type { TableProgress } from './events.ts'
import { duration, megabytes, number } from './text-form.ts'

const BAR_CELLS = 24

/** A bar per table that is redrawn in place, or a line per change where there is no terminal. */
export interface ProgressDisplay {
  show(tables: TableProgress[]): void
  /** Leaves the last state on the screen. */
  end(): void
}

export function terminalDisplay(out: NodeJS.WriteStream): ProgressDisplay {
  let drawn = 0
  return {
    show(tables) {
      const width = Math.max(...tables.map((table) => displayName(table).length))
      const lines = tables.map((table) => {
        const line = `  ${bar(share(table))} ${percent(table)}  ${displayName(table).padEnd(width)}  ${facts(table)}`
        // A line that wraps would not be overwritten.
        return [...line].slice(0, Math.max(20, (out.columns || 120) - 1)).join('')
      })
      out.write(`${drawn > 0 ? `\u001b[${drawn}A` : ''}${lines.map((line) => `\u001b[2K${line}\n`).join('')}`)
      drawn = lines.length
    },
    end() {
      drawn = 0
    },
  }
}

export function lineDisplay(write: (line: string) => void): ProgressDisplay {
  const told = new Map<string, string>()
  return {
    show(tables) {
      for (const table of tables) {
        const line = `  ${percent(table)}  ${displayName(table)}  ${facts(table)}`
        if (told.get(table.source_table_name) !== line) write(line)
        told.set(table.source_table_name, line)
      }
    },
    end() {},
  }
}

/** What of a table is done, 0 … 1. Bytes on the wire are only like those on the source's disk, so they never reach 1 alone. */
export function share(table: TableProgress): number {
  if (table.phase === 'done') return 1
  const byBytes = table.estimated_bytes ? Math.min(0.99, table.bytes / table.estimated_bytes) : 0
  const byRows = table.estimated_rows ? Math.min(0.99, table.rows / table.estimated_rows) : 0
  return table.phase === 'committing' ? 0.99 : Math.max(byBytes, byRows)
}

function bar(done: number): string {
  const full = Math.round(done * BAR_CELLS)
  return '█'.repeat(full) + '░'.repeat(BAR_CELLS - full)
}

function percent(table: TableProgress): string {
  return `${Math.floor(share(table) * 100)} %`.padStart(5)
}

function displayName(table: TableProgress): string {
  return table.source_table_name === table.destination_table_name
    ? table.source_table_name
    : `${table.source_table_name} → ${table.destination_table_name}`
}

function facts(table: TableProgress): string {
  const parts = [table.phase.padEnd(10), `${number(table.rows)} rows`, megabytes(table.bytes)]
  if (table.bytes_per_second) parts.push(`${megabytes(table.bytes_per_second)}/s`)
  parts.push(`chunks ${table.chunks_done}/${table.chunks_total}${table.all_planned || table.chunks_total === 0 ? '' : '+'}`)
  if (table.eta_seconds !== null && table.phase !== 'done') parts.push(`${duration(table.eta_seconds)} left`)
  return parts.join('  ')
}
