import type { Built } from './build-shadow.ts'
import type { ClickHouseHttp } from './http.ts'
import { fault, type Load } from './load.ts'
import { qualify, quoteName, quoteText } from './quoting.ts'
import { attachAll, countRows, mergeParts, partsHash, tooManyParts, uniteStages, type Winners } from './stages.ts'

/** Adds all rows of the load. */
export async function appendRows(
  http: ClickHouseHttp,
  load: Load,
  shadow: string,
  winners: Winners,
  rest: string,
  keeps: boolean,
): Promise<Built> {
  const baseRows = keeps ? await countRows(http, load.database, shadow) : 0
  const built: Built = { foundRows: winners.rows, tableRows: baseRows + winners.rows, notes: [] }
  if (tooManyParts(winners)) {
    const united = await uniteStages(http, load, winners, rest)
    const note = await mergeParts(http, load, united)
    if (note) built.notes.push(note)
    await attachAll(http, load.database, shadow, [united])
    return built
  }
  const baseHash = keeps ? await partsHash(http, load.database, shadow) : 0n
  await attachAll(
    http,
    load.database,
    shadow,
    winners.stages.map((stage) => stage.table),
  )
  const attached = BigInt.asUintN(64, (await partsHash(http, load.database, shadow)) - baseHash)
  // Parts that were merged meanwhile have other checksums: then the rows themselves are compared, where that is the load alone.
  if (attached === winners.hash) built.checksum = attached.toString()
  else if (!keeps && !load.existing?.foldsRows) built.checksum = await compareRows(http, load, shadow, winners)
  return built
}

async function compareRows(http: ClickHouseHttp, load: Load, shadow: string, winners: Winners): Promise<string> {
  const hash = `sum(cityHash64(${load.columns.map((column) => quoteName(column.name)).join(', ')}))`
  const names = winners.stages.map((stage) => stage.table)
  const stages =
    names.length === 0
      ? `(SELECT 0 AS h)`
      : `(SELECT ${hash} AS h FROM merge(${quoteText(load.database)}, ${quoteText(`^(${names.join('|')})$`)}))`
  const row = await http.row<{ staged: string; shadow: string }>(
    `SELECT (SELECT h FROM ${stages}) AS staged, (SELECT ${hash} FROM ${qualify(load.database, shadow)}) AS shadow`,
  )
  if (row.staged !== row.shadow)
    throw fault(http, load, 'mismatch', 'The rows to publish differ from the rows staged', 'Nothing was published. Start the load again.')
  return row.shadow
}
