import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { Arena } from './arena.ts'

/** What ClickHouse does to its data directory while a load is published. */
export type CommitMoment =
  /** The shadow's definition, or the n-th change of files inside its folder: hard links of parts being put in place. */
  | { at: 'shadow'; change: number }
  /** The destination's own definition is exchanged for the shadow's. */
  | { at: 'exchange' }
  /** After that: the n-th table whose definition goes. */
  | { at: 'drop'; change: number }

/**
 * Calls `strike` from inside the event of that change, so that a kill hits within a millisecond of it. Must be armed
 * before the load is started.
 */
export function onCommit(
  arena: Arena,
  table: string,
  moment: CommitMoment,
  strike: () => void,
): { struck: Promise<boolean>; disarm(): void } {
  const watchers: FSWatcher[] = []
  let over = false
  let exchanged = false
  let dropped = 0
  let shadowSeen = false
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
  const watchShadow = (definition: string) => {
    if (moment.at !== 'shadow' || shadowSeen) return
    const uuid = uuidIn(join(arena.metadata, definition))
    if (!uuid) return
    shadowSeen = true
    if (moment.change === 0) return end(true)
    let changes = 0
    const folder = join(arena.clickhouse.dataDir, 'data/store', uuid.slice(0, 3), uuid)
    try {
      watchers.push(watch(folder, () => ++changes >= moment.change && end(true)))
    } catch {
      // Gone before it could be watched: the moment is missed.
      end(false)
    }
  }
  watchers.push(
    watch(arena.metadata, (_event, name) => {
      if (over || name === null) return
      if (name.startsWith('_sluice_n_') && name.endsWith('.sql')) watchShadow(name)
      if (name === `${table}.sql`) {
        exchanged = true
        if (moment.at === 'exchange') end(true)
      } else if (exchanged && name.startsWith('_sluice_') && moment.at === 'drop' && ++dropped >= moment.change) end(true)
    }),
  )
  return { struck, disarm: () => end(false) }
}

function uuidIn(file: string): string | undefined {
  try {
    return /UUID '([0-9a-f-]{36})'/.exec(readFileSync(file, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
