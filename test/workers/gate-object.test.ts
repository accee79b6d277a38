import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'

const gateNamed = (name: string) => env.GATES.get(env.GATES.idFromName(name))

it('a gate lets the next one in as soon as a place is given back', async () => {
  const gate = gateNamed('hand-over')
  expect(await gate.acquire('a', 1, 60_000, 0)).toBe(1)
  const waiting = gate.acquire('b', 1, 60_000, 10_000)
  await gate.release('a')
  expect(await waiting).toBe(2)
})

it('a gate answers after the time it was given', async () => {
  const gate = gateNamed('full')
  await gate.acquire('a', 1, 60_000, 0)
  expect(await gate.acquire('b', 1, 60_000, 30)).toBeNull()
})

it('200 callers share 8 places and never more than 8 are inside', async () => {
  const gate = gateNamed('storm')
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      while ((await gate.acquire(`n${index}`, 8, 60_000, 2_000)) === null);
      inside++
      most = Math.max(most, inside)
      await new Promise((resolve) => setTimeout(resolve, 1))
      inside--
      await gate.release(`n${index}`)
    }),
  )
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThanOrEqual(8)
})
