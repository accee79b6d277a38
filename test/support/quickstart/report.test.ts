import { expect, test } from 'vitest'
import type { Receipt, TableReceipt } from './events.ts'
import { problemsOf } from './report.ts'

const proof: TableReceipt = {
  source_table_name: 'users',
  destination_table_name: 'users',
  phase: 'done',
  lane: 'bytes',
  consistency: 'snapshot',
  rows: { read: 3, delivered: 3, found: 3, folded: 0, in_table: 3 },
  checksum: { method: 'sum-md5-32', fields: ['id'], source: '7', destination: '7', equal: true },
  chunks: { done: 1, total: 1, all_planned: true },
  bytes: 10,
  bytes_per_second: 10,
  copy_seconds: 1,
  commit_seconds: 1,
  notes: [],
  fault: null,
}
const counted = [{ table: 'users', source: 3, destination: 3 }]
const receiptWith = (change: Partial<TableReceipt>, status: Receipt['status'] = 'success'): Receipt => ({
  execution_id: 'e',
  status,
  duration_seconds: 1,
  resources: [{ ...proof, ...change }],
  healing: [],
  fault: null,
})

test('equal counts and checksums are no problem', () => {
  expect(problemsOf(receiptWith({}), counted)).toEqual([])
})

test('servers that disagree are a problem whatever the receipt says', () => {
  expect(problemsOf(receiptWith({}), [{ table: 'users', source: 3, destination: 2 }])).toEqual([
    'users: 3 rows in Postgres but 2 in ClickHouse',
  ])
})

test('a receipt that says other numbers than the servers is a problem', () => {
  expect(problemsOf(receiptWith({ rows: { ...proof.rows, found: 2 } }), counted)).toEqual([
    'users: the receipt says 2 rows found, the servers say 3',
  ])
})

test('a missing or unequal checksum is a problem', () => {
  expect(problemsOf(receiptWith({ checksum: null }), counted)).toEqual(['users: the receipt has no checksum'])
  const unequal = { method: 'sum-md5-32', fields: ['id'], source: '7', destination: '8', equal: false }
  expect(problemsOf(receiptWith({ checksum: unequal }), counted)).toEqual(['users: the checksums differ'])
})

test('a table without a receipt, and a run that failed, are problems', () => {
  expect(problemsOf(receiptWith({ source_table_name: 'other' }), counted)).toEqual(['users: not on the receipt'])
  expect(problemsOf(receiptWith({}, 'error'), counted)).toEqual(['The execution ended as "error": no reason given'])
})
