import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Baseline } from './run.ts'
import { summary } from './summary.ts'

const PAGE = join(import.meta.dirname, '../docs/benchmarks.md')
const BEGIN = '<!-- figures: written by npm run bench -->'
const END = '<!-- end of figures -->'

/** Puts the figures into docs/benchmarks.md, between its two marks. */
export async function writeReport(baseline: Baseline): Promise<void> {
  const page = await readFile(PAGE, 'utf8')
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`${PAGE} has lost its marks ${BEGIN} … ${END}`)
  await writeFile(PAGE, `${before}${BEGIN}\n\n\`\`\`\n${summary(baseline)}\`\`\`\n\n${machines(baseline)}\n${END}${after}`)
}

function machines({ parts }: Baseline): string {
  const byMachine = new Map<string, string[]>()
  for (const [name, { machine, loadBefore }] of Object.entries(parts)) {
    const { at, commit, cpu, cores, memoryGb, system, node, wrangler, workerd, postgres, clickhouse, psql, curl } = machine
    const text =
      `${at.slice(0, 16).replace('T', ' ')} UTC at commit ${commit}, ${cores} × ${cpu}, ${memoryGb} GB, ${system}; ` +
      `Node ${node}, wrangler ${wrangler}, workerd ${workerd}, Postgres ${postgres}, ClickHouse ${clickhouse}, ${psql}, ${curl}`
    byMachine.set(text, [...(byMachine.get(text) ?? []), `${name} (load before ${loadBefore})`])
  }
  return [...byMachine].map(([text, names]) => `- ${names.join(', ')}: ${text}.`).join('\n')
}
