import { describe, expect, it } from 'vitest'
import type { Lane } from '../../src/core/payload.ts'
import { chooseLane } from '../../src/transfer/choose-lane.ts'

const tsv: Lane = { via: 'bytes', format: { encoding: 'tsv', compression: 'none' } }
const gzipCsv: Lane = {
  via: 'bytes',
  format: { encoding: 'csv', compression: 'gzip', csv: { delimiter: ';', quote: '"', header: true, nullText: '' } },
}
const anyGzipCsv: Lane = { via: 'bytes', format: { encoding: 'csv', compression: 'gzip' } }
const records: Lane = { via: 'records' }

describe('the lane', () => {
  it('is bytes when both ends speak one format', () => {
    expect(chooseLane([gzipCsv, records], [tsv, anyGzipCsv], false)).toEqual({
      from: gzipCsv,
      to: gzipCsv,
      because: 'bytes: both speak csv+gzip, nothing is parsed',
    })
  })
  it('prefers what the source prefers', () => {
    expect(chooseLane([gzipCsv, tsv], [tsv, anyGzipCsv], false)?.from).toBe(gzipCsv)
  })
  it('is not bytes when the compression or the dialect differs', () => {
    const plain: Lane = { via: 'bytes', format: { encoding: 'csv', compression: 'none' } }
    expect(chooseLane([gzipCsv], [plain], false)).toBeUndefined()
    const comma: Lane = {
      via: 'bytes',
      format: { encoding: 'csv', compression: 'gzip', csv: { delimiter: ',', quote: '"', header: true, nullText: '' } },
    }
    expect(chooseLane([gzipCsv], [comma], false)).toBeUndefined()
  })
  it('is records, encoded for a destination that takes only bytes, when columns change on the way', () => {
    expect(chooseLane([gzipCsv, records], [anyGzipCsv, tsv], true)).toEqual({
      from: records,
      to: tsv,
      because: 'records, sent as tsv: columns change on the way',
    })
    expect(chooseLane([tsv], [tsv], true)).toBeUndefined()
  })
  it('is records end to end where both can', () => {
    expect(chooseLane([tsv, records], [records], false)).toMatchObject({ from: records, to: records })
  })
})
