import type { Receipt, TableReceipt } from './events.ts'
import { megabytes, number, textTable } from './text-form.ts'

/** Counted at both servers directly, not asked from the service. */
export interface Counted {
  table: string
  source: number
  destination: number
}

/** Everything that is not as it must be, one sentence each; empty means the load is proven. */
export function problemsOf(receipt: Receipt, counted: Counted[]): string[] {
  const problems: string[] = []
  if (receipt.status !== 'success')
    problems.push(`The execution ended as "${receipt.status}": ${receipt.fault?.message ?? 'no reason given'}`)
  for (const { table, source, destination } of counted) {
    const proof = receipt.resources.find((resource) => resource.source_table_name === table)
    if (!proof) {
      problems.push(`${table}: not on the receipt`)
      continue
    }
    if (source !== destination) problems.push(`${table}: ${source} rows in Postgres but ${destination} in ClickHouse`)
    problems.push(...problemsOfProof(proof, source))
  }
  return problems
}

function problemsOfProof(proof: TableReceipt, rows: number): string[] {
  const name = proof.source_table_name
  const problems: string[] = []
  if (proof.fault) problems.push(`${name}: ${proof.fault.message}`)
  for (const end of ['read', 'delivered', 'found'] as const) {
    if (proof.rows[end] !== rows) problems.push(`${name}: the receipt says ${proof.rows[end]} rows ${end}, the servers say ${rows}`)
  }
  if (!proof.checksum) problems.push(`${name}: the receipt has no checksum`)
  else if (!proof.checksum.equal) problems.push(`${name}: the checksums differ`)
  return problems
}

export function countsTable(counted: Counted[]): string {
  return textTable([
    ['table', 'rows in Postgres', 'rows in ClickHouse', ''],
    ...counted.map(({ table, source, destination }) => [
      table,
      number(source),
      Number.isNaN(destination) ? '–' : number(destination),
      source === destination ? 'equal' : 'DIFFERENT',
    ]),
  ])
}

export function receiptTable(receipt: Receipt): string {
  const rows = receipt.resources.map((proof) => [
    proof.destination_table_name,
    count(proof.rows.read),
    count(proof.rows.delivered),
    count(proof.rows.found),
    proof.checksum ? `${proof.checksum.source ?? '–'} ${proof.checksum.equal ? '=' : '≠'} ${proof.checksum.destination ?? '–'}` : '–',
    String(proof.chunks.done),
    megabytes(proof.bytes),
    proof.consistency ?? '–',
  ])
  return textTable([['table', 'read', 'delivered', 'found', 'checksum source = destination', 'chunks', 'bytes', 'consistency'], ...rows])
}

function count(value: number | null): string {
  return value === null ? '–' : number(value)
}
