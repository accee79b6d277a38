import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks per second of /proc/<pid>/stat: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** The workerd processes below a `wrangler dev`. */
export function workerdBelow(pid: number): number[] {
  return below(pid).filter((child) => nameOf(child) === 'workerd')
}

function below(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const parent = statFields(Number(entry))?.[1]
    if (parent !== undefined) children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(entry)])
  }
  const found: number[] = []
  const visit = (at: number) => {
    for (const child of children.get(at) ?? []) {
      found.push(child)
      visit(child)
    }
  }
  visit(pid)
  return found
}

/** User and system time so far. */
export function cpuSeconds(pids: number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const fields = statFields(pid)
    ticks += Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)
  }
  return ticks / TICKS_PER_SECOND
}

/** Of a process and everything below it, ended children included. */
export function treeCpuSeconds(pid: number): number {
  let ticks = 0
  for (const member of [pid, ...below(pid)]) {
    const fields = statFields(member) ?? []
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0) + Number(fields[13] ?? 0) + Number(fields[14] ?? 0)
  }
  return ticks / TICKS_PER_SECOND
}

/** Of this process' children that have ended. */
export function endedChildrenCpuSeconds(): number {
  const fields = statFields(process.pid) ?? []
  return (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) / TICKS_PER_SECOND
}

export function residentBytes(pids: number[]): number {
  let bytes = 0
  for (const pid of pids) {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]
    bytes += Number(kilobytes ?? 0) * 1024
  }
  return bytes
}

export interface MemorySamples {
  idleBytes: number
  samples: number[]
}

/** Samples memory ten times a second while `work` runs. */
export async function watchMemory<T>(pids: number[], work: () => Promise<T>): Promise<{ result: T; memory: MemorySamples }> {
  const idleBytes = residentBytes(pids)
  const samples: number[] = []
  const timer = setInterval(() => samples.push(residentBytes(pids)), 100)
  try {
    return { result: await work(), memory: { idleBytes, samples } }
  } finally {
    clearInterval(timer)
  }
}

/** The fields after the name, which may hold anything: state, parent, … */
function statFields(pid: number): string[] | undefined {
  const stat = read(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function nameOf(pid: number): string | undefined {
  return read(`/proc/${pid}/comm`)?.trim()
}

/** Processes come and go while they are looked at. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
