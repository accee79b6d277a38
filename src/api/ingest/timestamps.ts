/**
 * The text form (see DataType) of a date or time as people write it in JSON: `2020-01-01`, `2020-01-01T10:00`,
 * `2020-01-01 10:00:00.5+02:00`. A zone is turned into UTC. Undefined when it is none, or not in the calendar.
 */
export function textFormOfTime(text: string): string | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|z|[+-]\d\d(?::?\d\d)?)?)?$/.exec(text)
  if (!match) return undefined
  const [, date, minutes, seconds = ':00', fraction = '', zone] = match
  const wall = new Date(`${date}T${minutes ?? '00:00'}${seconds}Z`)
  // The parser rolls 30 February over into March; a date that does not come back as itself is none.
  if (Number.isNaN(wall.getTime()) || !wall.toISOString().startsWith(`${date}T${minutes ?? '00:00'}`)) return undefined
  if (!minutes) return date
  const offset = offsetMinutes(zone)
  if (offset === undefined) return undefined
  const utc = new Date(wall.getTime() - offset * 60_000).toISOString()
  if (!/^\d{4}-/.test(utc)) return undefined
  return `${utc.slice(0, 19).replace('T', ' ')}${fraction}${zone ? '+00' : ''}`
}

function offsetMinutes(zone: string | undefined): number | undefined {
  if (!zone || /^z$/i.test(zone)) return 0
  const [, sign, hours, minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? []
  const total = Number(hours) * 60 + Number(minutes)
  if (!(total < 24 * 60 && Number(minutes) < 60)) return undefined
  return sign === '-' ? -total : total
}
