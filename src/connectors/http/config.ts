import { z } from 'zod'
import { fileOptions, invalidOption } from '../shared/file-options.ts'

export const httpConfig = z.object({
  /** A file, or the folder that stream names are relative to (see README.md). Without credentials. */
  url: z.url({ protocol: /^https?$/ }),
  /** The query of the URL, with its question mark: it may hold a signature. */
  query: z.string().meta({ secret: true }),
  username: z.string().optional(),
  password: z.string().meta({ secret: true }).optional(),
  files: fileOptions,
})

export type HttpConfig = z.output<typeof httpConfig>

/** `https://user:password@host/path?query`. All of the query belongs to the server, so options for files go into the stream name's hint only. */
export function httpConfigFromUri(uri: string): HttpConfig {
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    throw invalidOption('', 'This is no complete URL')
  }
  if (url.hash !== '')
    throw invalidOption('', 'A fragment (#…) cannot be asked for; put a format hint behind the table name instead: "name#csv"')
  const [username, password] = [url.username, url.password].map(decoded)
  const query = url.search
  url.username = ''
  url.password = ''
  url.search = ''
  return { url: url.href, query, ...(username && { username }), ...(password && { password }), files: fileOptions.parse({}) }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalidOption('', 'The credentials are not properly percent-encoded: write a literal % as %25')
  }
}
