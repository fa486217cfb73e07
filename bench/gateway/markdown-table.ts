/** A markdown table; the first column holds names, the others numbers. */
export function renderMarkdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const ruler = heading.map((_, index) => (index === 0 ? '---' : '---:'));
  return [heading, ruler, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Three significant digits below 1000, whole numbers with thin groups above. */
export function formatNumber(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US').replaceAll(',', ' ');
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}
