import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { Arena } from './arena.ts'

/** What ClickHouse does to its data directory while a load is staged and published. */
export type Change =
  /** A part of a staged chunk has got its final name: the insert is done and its answer is not sent yet. */
  | { of: 'stage'; chunk: number }
  /** The shadow's definition, or the n-th change inside its folder: hard links of parts being put in place. */
  | { of: 'shadow'; change: number }
  /** The destination's own definition is exchanged for the shadow's. */
  | { of: 'exchange' }
  /** After that: the n-th table whose definition goes. */
  | { of: 'drop'; change: number }

export interface Trap {
  /** False when the change did not come before `disarm`. */
  struck: Promise<boolean>
  disarm(): void
}

/**
 * Calls `strike` from inside the event of that change, so that a kill hits within a millisecond of it. Must be armed
 * before the load is started.
 */
export function onChange(arena: Arena, table: string, change: Change, strike: () => void): Trap {
  const watchers: FSWatcher[] = []
  let over = false
  let exchanged = false
  let drops = 0
  const tables = new Set<string>()
  let settle: (struck: boolean) => void = () => {}
  const struck = new Promise<boolean>((resolve) => {
    settle = resolve
  })
  const end = (did: boolean) => {
    if (over) return
    over = true
    if (did) strike()
    for (const watcher of watchers) watcher.close()
    settle(did)
  }
  const watchFolder = (definition: string, onEvent: (name: string) => void) => {
    const uuid = uuidIn(join(arena.metadata, definition))
    if (!uuid || tables.has(definition)) return
    tables.add(definition)
    try {
      watchers.push(watch(join(arena.clickhouse.dataDir, 'data/store', uuid.slice(0, 3), uuid), (_event, name) => onEvent(name ?? '')))
    } catch {
      // Gone before it could be watched; another one may come.
    }
  }
  const onDefinition = (name: string) => {
    const isDefinition = name.endsWith('.sql')
    if (change.of === 'stage' && isDefinition && name.startsWith('_sluice_s_')) {
      watchFolder(name, (file) => tables.size > change.chunk && /^\w+_\d+_\d+_\d+$/.test(file) && !file.startsWith('tmp') && end(true))
    }
    if (change.of === 'shadow' && isDefinition && name.startsWith('_sluice_n_')) {
      let changes = 0
      if (change.change === 0) end(true)
      else watchFolder(name, () => ++changes >= change.change && end(true))
    }
    if (name === `${table}.sql`) {
      exchanged = true
      if (change.of === 'exchange') end(true)
    } else if (change.of === 'drop' && exchanged && name.startsWith('_sluice_') && ++drops >= change.change) end(true)
  }
  watchers.push(watch(arena.metadata, (_event, name) => !over && name !== null && onDefinition(name)))
  return { struck, disarm: () => end(false) }
}

function uuidIn(file: string): string | undefined {
  try {
    return /UUID '([0-9a-f-]{36})'/.exec(readFileSync(file, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
