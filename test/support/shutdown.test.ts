import { expect, test } from 'vitest'
import { Shutdown } from './shutdown.ts'

test('everything is stopped once, the last started first', async () => {
  const stopped: string[] = []
  const shutdown = new Shutdown()
  await shutdown.start('a', Promise.resolve('a'), async (name) => void stopped.push(name))
  await shutdown.start('b', Promise.resolve('b'), async (name) => void stopped.push(name))
  await Promise.all([shutdown.now(), shutdown.now()])
  expect(stopped).toEqual(['b', 'a'])
})

test('what is still starting is stopped when it has started', async () => {
  const stopped: string[] = []
  const shutdown = new Shutdown()
  let started: (name: string) => void = () => {}
  void shutdown.start('late', new Promise<string>((resolve) => (started = resolve)), async (name) => void stopped.push(name))
  const ending = shutdown.now()
  started('late')
  expect(await ending).toBe(true)
  expect(stopped).toEqual(['late'])
})

test('what failed to start is not stopped, and one failing stop does not keep the others running', async () => {
  const stopped: string[] = []
  const shutdown = new Shutdown()
  await shutdown.start('first', Promise.resolve('first'), async (name) => void stopped.push(name))
  await expect(shutdown.start('broken', Promise.reject(new Error('no')), async () => void stopped.push('broken'))).rejects.toThrow('no')
  await shutdown.start('stuck', Promise.resolve('stuck'), () => Promise.reject(new Error('will not')))
  expect(await shutdown.now()).toBe(false)
  expect(stopped).toEqual(['first'])
})
