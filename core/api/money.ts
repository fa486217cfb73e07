/** Billionths of a currency's unit, whole, as a decimal number without needless zeros: 1234500 is `0.0012345`. */
export function formatNanos(nanos: number): string {
  const digits = String(nanos).padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0+$/, '');
  const whole = digits.slice(0, -9);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
