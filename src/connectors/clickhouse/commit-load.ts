import type { CommitResult, Json, Receipt } from '../../core/chunk.ts'
import type { Io, Journal } from '../../core/connector.ts'
import { faultOf, IngestError } from '../../core/errors.ts'
import { buildShadow } from './build-shadow.ts'
import { type Fingerprint, fingerprintOf, foreignParts } from './foreign-writes.ts'
import type { ClickHouseHttp } from './http.ts'
import { fault, type Load, qualified } from './load.ts'
import { keptName, loadOrKeptPattern, namePrefix, randomId, tableName } from './names.ts'
import { structureOf } from './plan-target.ts'
import { publishByInsert } from './publish-insert.ts'
import { qualify, quoteText } from './quoting.ts'
import { checkStages } from './stages.ts'
import { dropLoad, dropTables, type FoundTable, tablesMatching } from './staging-tables.ts'

/** What a swap keeps across crashes, saved before the point of no return. */
type Entry =
  | { phase: 'swap'; before: string | null; target: string; fingerprint: Fingerprint; result: CommitResult }
  | { phase: 'foreign'; kept: string; parts: string[] }
  | { phase: 'done'; result: CommitResult }

interface Live {
  uuid: string
  structure: string
}

/** Publishes a load; see README.md for why every step may be repeated. */
export async function commitLoad(
  http: ClickHouseHttp,
  io: Io,
  planned: Load,
  receipts: AsyncIterable<Receipt>,
  journal: Journal,
): Promise<CommitResult> {
  if (planned.publish === 'insert') return await publishByInsert(http, io, planned, receipts, journal)
  const entry = (await journal.load()) as unknown as Entry | undefined
  if (entry?.phase === 'done') {
    await clean(http, io, planned)
    return entry.result
  }
  if (entry?.phase === 'foreign') throw foreignWrite(http, planned, entry)

  await fence(http, planned)
  const live = await readLive(http, planned)
  const load = live && !planned.existing ? await joinCreated(http, planned, live) : planned
  const own = await tablesMatching(http, load.database, loadOrKeptPattern(load.tag, load.loadId))
  if (entry) {
    const swapped = wasSwapped(http, load, entry, live, own)
    if (swapped) return await finish(http, io, load, entry, own, journal)
  }
  // What an interrupted commit built is useless now: its stages are what counts.
  const stale = own.filter((table) => /^_sluice_[unf]_/.test(table.name)).map((table) => table.name)
  await dropTables(http, load.database, stale)

  checkLive(http, load, live)
  const winners = await checkStages(http, load, receipts)
  const rest = randomId()
  const shadow = { table: tableName('n', load.tag, load.loadId, rest), uuid: crypto.randomUUID() }
  const fingerprint = load.existing ? await fingerprintOf(http, load.database, load.table) : []
  await refuseUnfinishedMutations(http, load)
  const result = await buildShadow(http, load, shadow, winners, rest)

  const now = await readLive(http, load)
  if (now?.uuid !== live?.uuid)
    throw fault(
      http,
      load,
      'foreign-write',
      'The table was replaced while the load was being published',
      'Nothing was published. Start the load again; one writer per table.',
    )
  const next: Entry = { phase: 'swap', before: live?.uuid ?? null, target: shadow.uuid, fingerprint, result }
  await journal.save(next as unknown as Json)
  await swap(http, load, shadow)
  const after = await tablesMatching(http, load.database, loadOrKeptPattern(load.tag, load.loadId))
  return await finish(http, io, load, next, after, journal)
}

/** The only statement that readers notice. An unknown answer is settled by the server's own state. */
async function swap(http: ClickHouseHttp, load: Load, shadow: { table: string; uuid: string }): Promise<void> {
  const name = qualify(load.database, shadow.table)
  try {
    await http.run(load.existing ? `EXCHANGE TABLES ${name} AND ${qualified(load)}` : `RENAME TABLE ${name} TO ${qualified(load)}`)
  } catch (error) {
    if ((await readLive(http, load))?.uuid !== shadow.uuid) throw error
  }
}

/**
 * Takes the names of all shadows of this destination away, so that a swap that is still on its way fails. Nothing is
 * dropped: the UUIDs behind the new names tell whether a swap had happened.
 */
async function fence(http: ClickHouseHttp, load: Load): Promise<void> {
  const prefix = namePrefix('n', load.tag)
  for (const { name } of await tablesMatching(http, load.database, `^${prefix}`)) {
    const owner = name.slice(prefix.length).split('_')[0] ?? load.loadId
    const fenced = tableName('f', load.tag, owner, randomId())
    try {
      await http.run(`RENAME TABLE ${qualify(load.database, name)} TO ${qualify(load.database, fenced)}`)
    } catch (error) {
      // Gone already: dropped or fenced by its own owner.
      if (faultOf(error).tag !== 'missing') throw error
    }
  }
}

async function readLive(http: ClickHouseHttp, load: Pick<Load, 'database' | 'table'>): Promise<Live | undefined> {
  const [row] = await http.rows<{ uuid: string; create: string }>(
    `SELECT toString(uuid) AS uuid, create_table_query AS create FROM system.tables WHERE database = ${quoteText(load.database)} AND name = ${quoteText(load.table)}`,
  )
  return row && { uuid: row.uuid, structure: structureOf(row.create) }
}

/** Decides from UUIDs alone whether the journalled swap took place, also when another load has swapped since. */
function wasSwapped(
  http: ClickHouseHttp,
  load: Load,
  entry: Extract<Entry, { phase: 'swap' }>,
  live: Live | undefined,
  own: FoundTable[],
): boolean {
  if (live?.uuid === entry.target) return true
  if (own.some((table) => table.uuid === entry.target)) return false
  if (entry.before === null) return live !== undefined
  if (live?.uuid === entry.before) return false
  if (own.some((table) => table.uuid === entry.before)) return true
  throw fault(
    http,
    load,
    'rejected',
    'It cannot be told whether this load was published: the tables it worked with are gone',
    'Compare the destination with the source before starting the load again.',
  )
}

/** After the swap: what others wrote into the old table is kept, everything else of this load goes. */
async function finish(
  http: ClickHouseHttp,
  io: Io,
  load: Load,
  entry: Extract<Entry, { phase: 'swap' }>,
  own: FoundTable[],
  journal: Journal,
): Promise<CommitResult> {
  const kept = keptName(load.tag, load.loadId)
  const old =
    // Set aside by an earlier try, which ended before it could say so.
    own.find((table) => table.name === kept) ??
    own.find((table) => table.uuid === entry.before) ??
    own.find((table) => /^_sluice_[nf]_/.test(table.name) && table.uuid !== entry.target)
  if (old && load.mode.type !== 'replace') {
    const parts = foreignParts(entry.fingerprint, await fingerprintOf(http, load.database, old.name), load.existing?.hasTtl ?? false)
    if (old.name === kept || old.uuid !== entry.before || parts.length > 0) {
      if (old.name !== kept) await http.run(`RENAME TABLE ${qualify(load.database, old.name)} TO ${qualify(load.database, kept)}`)
      const found = { phase: 'foreign' as const, kept, parts }
      await journal.save(found as unknown as Json)
      throw foreignWrite(http, load, found)
    }
  }
  await journal.save({ phase: 'done', result: entry.result } as unknown as Json)
  await clean(http, io, load)
  return entry.result
}

function foreignWrite(http: ClickHouseHttp, load: Load, entry: Extract<Entry, { phase: 'foreign' }>): IngestError {
  const kept = qualify(load.database, entry.kept)
  const from = entry.parts.length > 0 ? `, partitions ${entry.parts.slice(0, 10).join(', ')}` : ''
  return fault(
    http,
    load,
    'foreign-write',
    'Somebody else wrote into the table while the load was being published. The load is in the table; those writes are not',
    `They are in ${kept}${from}. Copy the missing rows (INSERT INTO ${qualified(load)} SELECT * FROM ${kept} WHERE …), then drop that table. Let one writer at a time use a table, or use publish=insert.`,
  )
}

/** A table that was created meanwhile (by another load, most likely) in the very structure planned here is used like one that was there. */
async function joinCreated(http: ClickHouseHttp, load: Load, live: Live): Promise<Load> {
  const template = await readLive(http, { database: load.database, table: load.template })
  if (template?.structure !== live.structure) return load
  const existing = {
    structure: live.structure,
    engine: 'MergeTree',
    engineRest: '',
    foldsRows: false,
    hasProjections: false,
    hasTtl: false,
  }
  return { ...load, existing }
}

function checkLive(http: ClickHouseHttp, load: Load, live: Live | undefined): void {
  if (!load.existing && live)
    throw fault(
      http,
      load,
      'schema-conflict',
      'The table was created by somebody else meanwhile, in another structure',
      'Nothing was published. Start the load again; it then fits the table that is there.',
    )
  if (load.existing && !live)
    throw fault(
      http,
      load,
      'missing',
      'The table was removed meanwhile',
      'Nothing was published. Start the load again; it then creates the table.',
    )
  if (load.existing && live?.structure !== load.existing.structure) {
    throw fault(
      http,
      load,
      'schema-conflict',
      'The structure of the table was changed meanwhile',
      'Nothing was published. Start the load again; it then fits the new structure.',
    )
  }
}

/** Parts are copied as they are: a change that is still being applied to them would be lost with the old table. */
async function refuseUnfinishedMutations(http: ClickHouseHttp, load: Load): Promise<void> {
  if (!load.existing || load.mode.type === 'replace') return
  const { unfinished } = await http.row<{ unfinished: string }>(
    `SELECT count() AS unfinished FROM system.mutations WHERE database = ${quoteText(load.database)} AND table = ${quoteText(load.table)} AND NOT is_done`,
  )
  if (Number(unfinished) === 0) return
  throw new IngestError({
    tag: 'throttled',
    retryAfterSeconds: 5,
    message: `${unfinished} mutations of the table are still running`,
    place: { ...http.place, resource: `${load.database}.${load.table}` },
    remedy: 'The load is published once they are done.',
  })
}

/** The load is published whatever happens here; what remains is dropped by abort. */
async function clean(http: ClickHouseHttp, io: Io, load: Load): Promise<void> {
  try {
    await dropLoad(http, load)
  } catch (error) {
    io.log('clickhouse.clean-up-failed', { tag: faultOf(error).tag, table: `${load.database}.${load.table}` })
  }
}
