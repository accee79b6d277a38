export function median(values: number[]): number {
  return quantile(values, 0.5)
}

/** Linear between the two nearest values. */
export function quantile(values: number[], share: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export function rounded(value: number, digits = 3): number {
  return Number(value.toFixed(digits))
}
