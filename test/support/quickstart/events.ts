/** One table of a run, as the `progress` event tells it. */
export interface TableProgress {
  source_table_name: string
  destination_table_name: string
  phase: string
  rows: number
  estimated_rows: number | null
  bytes: number
  estimated_bytes: number | null
  bytes_per_second: number | null
  chunks_done: number
  chunks_total: number
  all_planned: boolean
  eta_seconds: number | null
}

export interface Fault {
  tag: string
  message: string
}

export interface TableReceipt {
  source_table_name: string
  destination_table_name: string
  phase: string
  lane: string | null
  consistency: string | null
  rows: { read: number | null; delivered: number; found: number | null; folded: number | null; in_table: number | null }
  checksum: { method: string; fields: string[] | null; source: string | null; destination: string | null; equal: boolean } | null
  chunks: { done: number; total: number; all_planned: boolean }
  bytes: number
  bytes_per_second: number | null
  copy_seconds: number | null
  commit_seconds: number | null
  notes: string[]
  fault: Fault | null
}

/** The `end` event. */
export interface Receipt {
  execution_id: string
  status: 'success' | 'processing' | 'error'
  duration_seconds: number | null
  resources: TableReceipt[]
  healing: { rule: string }[]
  fault: Fault | null
}

/** Longer than the pause between two heartbeats. */
const SILENCE_MAX_MS = 30_000
const RECONNECTS_MAX = 5

/**
 * Reads the event stream of an execution to its end; reconnects when it breaks off.
 * @throws when it ends otherwise, stays silent, or cannot be reached again
 */
export async function followExecution(eventsUrl: string, onProgress: (tables: TableProgress[]) => void): Promise<Receipt> {
  let failure: unknown
  for (let attempt = 0; attempt < RECONNECTS_MAX; attempt++) {
    try {
      for await (const { event, data } of readEvents(eventsUrl)) {
        attempt = 0
        if (event === 'progress') onProgress((JSON.parse(data) as { resources: TableProgress[] }).resources)
        else if (event === 'end') return JSON.parse(data) as Receipt
        else if (event === 'error') throw new Error(data)
      }
    } catch (error) {
      failure = error
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error(`The event stream ${eventsUrl} broke off: ${String(failure ?? 'it closed before the end')}`)
}

async function* readEvents(url: string): AsyncIterable<{ event: string; data: string }> {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS)
  try {
    const response = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: silence.signal })
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}: ${await response.text()}`)
    let text = ''
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS)
      text += part
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
        const event = field('event')
        const data = field('data')
        if (event && data) yield { event, data }
      }
    }
  } finally {
    clearTimeout(timer)
  }
}
