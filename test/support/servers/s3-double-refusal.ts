/** A refusal as S3 words it: HTTP status and the `Code` of the XML answer. */
export class S3Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly region: string | undefined
  constructor(status: number, code: string, message: string, options: { region?: string } = {}) {
    super(message)
    this.status = status
    this.code = code
    this.region = options.region
  }
}
