import { expect, test } from 'vitest'
import { whileAnswering } from '../../../src/connectors/clickhouse/while-answering.ts'
import { IngestError } from '../../../src/core/errors.ts'

const silent = () => new IngestError({ tag: 'unreachable', message: 'silent', place: {}, remedy: 'Look.' })
const never = () => new Promise<never>(() => {})

test('work that ends in time is left alone', async () => {
  const pings: number[] = []
  expect(await whileAnswering(Promise.resolve('done'), 1, async () => pings.push(1), silent)).toBe('done')
  await expect(whileAnswering(Promise.reject(new Error('its own')), 1, async () => pings.push(1), silent)).rejects.toThrow('its own')
  expect(pings).toEqual([])
})

test('long work goes on as long as the server gives a sign of life', async () => {
  let finish: (value: string) => void = () => {}
  const work = new Promise<string>((resolve) => {
    finish = resolve
  })
  let pings = 0
  const ping = async () => {
    if (++pings === 5) finish('after five questions')
  }
  expect(await whileAnswering(work, 1, ping, silent)).toBe('after five questions')
})

test('a server that refuses the question, or never answers it, is given up', async () => {
  await expect(whileAnswering(never(), 1, () => Promise.reject(new Error('refused')), silent)).rejects.toThrow('silent')
  let asked: AbortSignal | undefined
  const ping = (signal: AbortSignal) => {
    asked = signal
    return never()
  }
  await expect(whileAnswering(never(), 1, ping, silent)).rejects.toThrow('silent')
  expect(asked?.aborted).toBe(true)
})
