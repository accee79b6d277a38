import type { Connector } from '../../core/connector.ts'
import { FileSource } from '../shared/file-source.ts'
import { s3Config, s3ConfigFromUri } from './config.ts'
import { S3Store, s3Address } from './s3-store.ts'

export const s3: Connector<typeof s3Config> = {
  kind: 's3',
  schemes: ['s3'],
  config: s3Config,
  fromUri: s3ConfigFromUri,
  address: s3Address,
  openSource: (config, io) => new FileSource(new S3Store(config, io), config.files, io),
}
