import type { z } from 'zod'
import type { Connector, Destination, Io, Source } from '../core/connector.ts'
import { IngestError } from '../core/errors.ts'
import { clickhouse } from './clickhouse/connector.ts'
import { http } from './http/connector.ts'
import { postgres } from './postgres/connector.ts'
import { s3 } from './s3/connector.ts'

/** The only list of connectors. */
const CONNECTORS = [bind(postgres), bind(s3), bind(http), bind(clickhouse)]

/** One end of a load, read from its URI but not opened. Holds credentials: stays in memory. */
export interface End<Opened> {
  /** Connector kind. */
  system: string
  /** Without credentials; what connection limits are counted on. */
  address: string
  open(io: Io): Opened
}

interface Bound {
  schemes: readonly string[]
  source?: (uri: string) => End<Source>
  destination?: (uri: string) => End<Destination>
}

function bind<Config extends z.ZodType>(connector: Connector<Config>): Bound {
  const end = <Opened>(open: (config: z.output<Config>, io: Io) => Opened) => {
    return (uri: string): End<Opened> => {
      const config = connector.fromUri(uri)
      return { system: connector.kind, address: connector.address(config), open: (io) => open(config, io) }
    }
  }
  return {
    schemes: connector.schemes,
    ...(connector.openSource && { source: end((config, io) => required(connector.openSource?.(config, io))) }),
    ...(connector.openDestination && { destination: end((config, io) => required(connector.openDestination?.(config, io))) }),
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a connector lost its open function')
  return value
}

/** @throws IngestError `invalid-request` with path `source_uri` */
export function sourceEnd(uri: string): End<Source> {
  return at('source_uri', uri, (bound) => bound.source)
}

/** @throws IngestError `invalid-request` with path `destination_uri` */
export function destinationEnd(uri: string): End<Destination> {
  return at('destination_uri', uri, (bound) => bound.destination)
}

export function schemes(): { source: string[]; destination: string[] } {
  const of = (side: 'source' | 'destination') => CONNECTORS.filter((bound) => bound[side]).flatMap((bound) => bound.schemes)
  return { source: of('source'), destination: of('destination') }
}

function at<Opened>(path: string, uri: string, pick: (bound: Bound) => ((uri: string) => End<Opened>) | undefined): End<Opened> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase() ?? ''
  for (const bound of CONNECTORS) {
    const read = bound.schemes.includes(scheme) ? pick(bound) : undefined
    if (!read) continue
    try {
      return read(uri)
    } catch (error) {
      if (!(error instanceof IngestError) || error.fault.tag !== 'invalid-request') throw error
      const issues = error.fault.issues.map((issue) => ({ path, message: issue.path ? `${issue.path}: ${issue.message}` : issue.message }))
      throw new IngestError({ tag: 'invalid-request', issues }, { cause: error })
    }
  }
  throw new IngestError({ tag: 'invalid-request', issues: [{ path, message: `Unsupported URI scheme: ${scheme}` }] })
}
