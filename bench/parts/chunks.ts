import { CHUNK_MIN_BYTES } from '../../src/limits.ts'
import { type Breakdown, breakdown, SOURCE_DATABASE, type Stage, timedLoad } from '../stage.ts'
import { median, rounded } from '../statistics.ts'
import { createWideTable } from '../wide-table.ts'

const ROWS = 400_000
const CHUNK_COUNTS = [1, 8, 64, 512]
const TARGET_SHARE = 0.02

export interface ChunksResult {
  bytes: number
  points: { wanted: number; chunks: number; seconds: number; msPerExtraChunk: number | null; phases: Breakdown }[]
  /** Of one more chunk, as a share of the time a chunk of the default size takes. */
  overheadShareAtDefault: number
  targetShare: number
  met: boolean
}

/** The same table cut into more and more pieces: what one more chunk costs. */
export async function measureChunks(stage: Stage): Promise<ChunksResult> {
  await createWideTable(stage, 'pieces', ROWS)
  const [size] = await stage.postgres.query<{ bytes: string }>("SELECT pg_relation_size('pieces') AS bytes", SOURCE_DATABASE)
  const tableBytes = Number(size?.bytes)
  const points: ChunksResult['points'] = []
  let bytes = 0
  for (const wanted of CHUNK_COUNTS) {
    // One chunk alone must be larger than the table, free pages included.
    const chunkBytes = wanted === 1 ? 2 * tableBytes : Math.ceil(tableBytes / wanted)
    const sluice = await stage.startSluice({ CHUNK_BYTES: String(chunkBytes) })
    const load = { sourceUri: stage.postgres.uri(SOURCE_DATABASE), stream: 'pieces', table: 'pieces' }
    await timedLoad(stage, load, sluice)
    const measured = []
    for (let run = 0; run < stage.runs; run++) measured.push(await timedLoad(stage, load, sluice))
    await sluice.stop()
    const seconds = median(measured.map((one) => one.seconds))
    const proof = measured[0]?.receipt.resources[0]
    const chunks = proof?.chunks.total ?? 0
    bytes = proof?.bytes ?? 0
    const phases = measured.map(breakdown)
    const phase = (name: keyof Breakdown) => rounded(median(phases.map((one) => one[name])))
    const first = points[0]
    points.push({
      wanted,
      chunks,
      seconds: rounded(seconds),
      msPerExtraChunk: first ? rounded(((seconds - first.seconds) * 1000) / (chunks - first.chunks), 1) : null,
      phases: {
        startSeconds: phase('startSeconds'),
        planSeconds: phase('planSeconds'),
        copySeconds: phase('copySeconds'),
        commitSeconds: phase('commitSeconds'),
        endSeconds: phase('endSeconds'),
      },
    })
    stage.say(`  ${chunks} chunks: ${seconds.toFixed(2)} s`)
  }
  const perChunkMs = points.at(-1)?.msPerExtraChunk ?? Number.NaN
  const copyMs = (points[0]?.phases.copySeconds ?? Number.NaN) * 1000
  // One chunk of the smallest default size takes this long at the speed of the uncut copy.
  const defaultChunkMs = (copyMs * CHUNK_MIN_BYTES) / tableBytes
  const share = perChunkMs / defaultChunkMs
  return { bytes, points, overheadShareAtDefault: rounded(share, 4), targetShare: TARGET_SHARE, met: share < TARGET_SHARE }
}
