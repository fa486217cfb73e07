/** A value that a flag cannot take. The message follows the flag's name and never repeats a secret. */
export class FlagValueError extends Error {}

/** Turns the text of one value into what goes into the document. */
export type FlagTransform = (text: string) => string | number | boolean | Readonly<Record<string, string | number>>;

export const asText: FlagTransform = (text) => text;

function integer(min: number, max: number, write: (value: number) => string | number): FlagTransform {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || value < min || value > max) {
      throw new FlagValueError(`"${text}" is not a whole number from ${min} to ${max}`);
    }
    return write(value);
  };
}

export const asPort = integer(0, 65_535, (value) => value);
/** A port becomes a whole listener: probes have one of their own. */
export const asProbeListener: FlagTransform = (text) => ({ name: 'probe', kind: 'probe', port: Number(asPort(text)) });
export const asCount = integer(1, 1_000_000, (value) => value);
export const asCountOrNone = integer(0, 1_000_000, (value) => value);
/** SMG's limit of concurrency: -1 is its automatic cap, everything else that is not positive none. */
export const asConcurrency = integer(-2_147_483_648, 1_000_000, (value) =>
  value === -1 ? 'auto' : Math.max(0, value),
);
/** So many per second; 0 switches the limit off. */
export const asPerSecond = integer(0, 1_000_000_000, (value) => (value === 0 ? 'off' : `${value}/s`));
/** Seconds become a duration. */
export const asSeconds = integer(0, 2_147_483, (value) => `${value}s`);
export const asPositiveSeconds = integer(1, 2_147_483, (value) => `${value}s`);
export const asMilliseconds = integer(1, 2_147_483_647, (value) => `${value}ms`);
/** Bytes become a size. */
export const asBytes = integer(1, 64 * 2 ** 30, (value) => `${value}B`);

/** A plain decimal. */
export const asDecimal: FlagTransform = (text) => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new FlagValueError(`"${text}" is not a number`);
  return value;
};

/** One of some words. */
export function asOneOf(...words: readonly string[]): FlagTransform {
  return (text) => {
    if (!words.includes(text)) throw new FlagValueError(`"${text}" is not one of ${words.join(', ')}`);
    return text;
  };
}

/** Cloud APIs that `--backend` knows; SMG has the first three. */
export const CLOUD_BACKENDS: readonly string[] = ['openai', 'anthropic', 'gemini', 'xai', 'azure'];
const ENGINE_BACKENDS: readonly string[] = ['sglang', 'vllm', 'trtllm', 'tokenspeed'];
export const asBackend: FlagTransform = asOneOf(...ENGINE_BACKENDS, ...CLOUD_BACKENDS);

/** Where workers are found: the flags of that kind say the rest. */
export const asDiscoveryProvider: FlagTransform = (text) => {
  if (text === 'kubernetes') throw new FlagValueError('"kubernetes" is not built yet; "file" is');
  return asOneOf('file')(text);
};

/** A path becomes a reference that the loader reads. */
export const asFileReference: FlagTransform = (text) => `$file:${text}`;

/** `TENANT:KEY`, cut at the first colon. */
export const asTenantKey: FlagTransform = (text) => {
  const colon = text.indexOf(':');
  if (colon < 0) throw new FlagValueError('takes TENANT:KEY; what was given (not shown) has no colon');
  return { id: text.slice(0, colon).trim(), key: text.slice(colon + 1).trim() };
};

/** `ID:NAME:ROLE:KEY`; the key is the rest and may hold colons. The schema checks the parts. */
export const asAdministratorKey: FlagTransform = (text) => {
  const [id = '', name = '', role = '', ...rest] = text.split(':');
  if (rest.length === 0) {
    throw new FlagValueError('takes ID:NAME:ROLE:KEY; what was given (not shown) has fewer than four parts');
  }
  if (!/^(?:admin|user)$/i.test(role.trim())) {
    throw new FlagValueError('takes ID:NAME:ROLE:KEY with the role admin or user (what was given is not shown)');
  }
  return { id: id.trim(), name: name.trim(), role: role.trim().toLowerCase(), key: rest.join(':').trim() };
};
