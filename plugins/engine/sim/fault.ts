/** What goes wrong. `value` of each: {@link FAULT_KINDS}. */
export type FaultKind =
  | 'refuse'
  | 'stall'
  | 'slow_first_token'
  | 'cut'
  | 'eof'
  | 'cut_clean'
  | 'garbage'
  | 'garbage_chunk'
  | 'bad_json'
  | 'status';

/** A scripted fault, parsed from `kind[=value][;retry_after=seconds][;times=n][;worker=name]`. */
export interface Fault {
  readonly kind: FaultKind;
  /** Meaning by kind; its default when the text gives none. */
  readonly value: number;
  /** `Retry-After`, s; for `status`. */
  readonly retryAfterSeconds: number | undefined;
  /** Requests that it hits, from when it is set; undefined: all. Ignored in a request header. */
  readonly times: number | undefined;
  /** Name of the only engine that obeys; for headers that a gateway passes to any of several. */
  readonly worker: string | undefined;
}

interface FaultSpec {
  readonly defaultValue: number;
  readonly min: number;
  readonly max: number;
  readonly help: string;
}

const MAX_COUNT = 1_000_000_000;

/** Every fault, the value it takes and what happens. "Events" are stream events; an answer in one piece breaks halfway. */
export const FAULT_KINDS: Readonly<Record<FaultKind, FaultSpec>> = {
  refuse: { defaultValue: 0, min: 0, max: 0, help: 'connection reset at once; as engine fault the port is closed' },
  stall: { defaultValue: 0, min: 0, max: MAX_COUNT, help: 'silence after VALUE events; 0: no first byte ever' },
  slow_first_token: { defaultValue: 1_000, min: 0, max: MAX_COUNT, help: 'first token after VALUE ms' },
  cut: { defaultValue: 2, min: 0, max: MAX_COUNT, help: 'TCP reset after VALUE events' },
  eof: { defaultValue: 2, min: 0, max: MAX_COUNT, help: 'connection closed in mid-body after VALUE events' },
  cut_clean: {
    defaultValue: 2,
    min: 0,
    max: MAX_COUNT,
    help: 'body ends properly after VALUE events, answer does not',
  },
  garbage: { defaultValue: 0, min: 0, max: 0, help: 'bytes that are not HTTP instead of a head' },
  garbage_chunk: { defaultValue: 2, min: 0, max: MAX_COUNT, help: 'broken chunk framing after VALUE events' },
  bad_json: {
    defaultValue: 2,
    min: 0,
    max: MAX_COUNT,
    help: 'invalid JSON in the event after VALUE events, or as body',
  },
  status: { defaultValue: 500, min: 400, max: 599, help: 'error answer with this status' },
};

/** Reads a fault; a string is the reason why it is none. */
export function parseFault(text: string): Fault | string {
  const [head = '', ...parameters] = text.split(';').map((part) => part.trim());
  const [name = '', rawValue] = head.split('=');
  if (!Object.hasOwn(FAULT_KINDS, name)) {
    return `unknown fault '${name}': one of ${Object.keys(FAULT_KINDS).join(', ')}`;
  }
  const kind = name as FaultKind;
  const spec = FAULT_KINDS[kind];
  const value = rawValue === undefined ? spec.defaultValue : parseCount(rawValue);
  if (value === undefined || value < spec.min || value > spec.max) {
    return `fault '${kind}' takes a whole number from ${spec.min} to ${spec.max}`;
  }
  let retryAfterSeconds: number | undefined;
  let times: number | undefined;
  let worker: string | undefined;
  for (const parameter of parameters) {
    const [key = '', raw = ''] = parameter.split('=');
    const number = parseCount(raw);
    if (key === 'worker') worker = raw;
    else if (key === 'retry_after' && number !== undefined) retryAfterSeconds = number;
    else if (key === 'times' && number !== undefined) times = number;
    else return `unknown fault parameter '${parameter}': retry_after=SECONDS, times=N or worker=NAME`;
  }
  return { kind, value, retryAfterSeconds, times, worker };
}

function parseCount(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
