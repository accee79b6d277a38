import type { Connector } from '../../core/connector.ts'
import { FileSource } from '../shared/file-source.ts'
import { httpConfig, httpConfigFromUri } from './config.ts'
import { HttpStore, httpAddress } from './http-store.ts'

export const http: Connector<typeof httpConfig> = {
  kind: 'http',
  schemes: ['http', 'https'],
  config: httpConfig,
  fromUri: httpConfigFromUri,
  address: httpAddress,
  openSource: (config, io) => new FileSource(new HttpStore(config, io), config.files, io),
}
