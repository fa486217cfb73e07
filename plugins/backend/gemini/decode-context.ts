import type { ToolNames } from '../translate/tool-names.js';
import type { ThoughtSignatures } from './thought-signatures.js';

/** What reading one answer needs to know of its request. */
export interface DecodeContext {
  readonly names: ToolNames;
  /** The client's names of tools that take text. */
  readonly customTools: ReadonlySet<string>;
  readonly signatures: ThoughtSignatures;
  /** Ids of calls carry their signature. */
  readonly signatureInId: boolean;
  /** False: only the first call of a choice is shown. */
  readonly parallelCalls: boolean;
  readonly codeInContent: boolean;
  /** The answer may name sources. */
  readonly maySearch: boolean;
  /** Ids for calls that have none. */
  makeId(): string;
}
