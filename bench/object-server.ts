import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { S3_DOUBLE_IDENTITY, S3Double } from '../test/support/servers/s3-double.ts'

/** An S3 of its own process with one object in bucket `bench`; also answers without a signature, for curl. */
const [file = ''] = process.argv.slice(2)
const server = await S3Double.start({ anonymous: true })
server.put('bench', basename(file), await readFile(file))
process.stdout.write(`${JSON.stringify({ url: server.url, ...S3_DOUBLE_IDENTITY })}\n`)
// Whoever started it may be killed and cannot end it then.
const parent = process.ppid
setInterval(() => process.ppid !== parent && process.exit(0), 500)
