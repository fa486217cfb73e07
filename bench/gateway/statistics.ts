/** Value below which the share `share` (0 to 1) of `values` lies, interpolated; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const place = (sorted.length - 1) * share;
  const low = Math.floor(place);
  const below = sorted[low] as number;
  const above = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return below + (above - below) * (place - low);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
