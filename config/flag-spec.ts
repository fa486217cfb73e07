import type { FlagTransform } from './flag-values.js';

/** `none`: present or not. `one`: one value, once. `many`: any number up to the next flag. `repeat`: once per value. */
export type FlagArity = 'none' | 'one' | 'many' | 'repeat';

/** One flag of the command line. All of it is sugar for values of the file. */
export interface FlagSpec {
  /** With its dashes. */
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly group: string;
  readonly takes: FlagArity;
  /** Name of the value in the help. */
  readonly value?: string;
  readonly help: string;
  /**
   * `built`: writes to `path`. `accepted`: asks for what is the case anyway. `planned`: known, refused until its feature
   * exists. `removed`: gone from SMG itself.
   */
  readonly status: 'built' | 'accepted' | 'planned' | 'removed';
  /** Where the value goes; in lists by name. None: the value is checked, and other flags say the rest. */
  readonly path?: readonly string[];
  readonly transform?: FlagTransform;
  /** Written instead of a value, for `none`. */
  readonly constant?: string | boolean;
  /** Every value is a secret, or holds one: other processes can read it, and nothing repeats it. */
  readonly secret?: boolean;
  /** Environment variable that stands in when the flag is absent; one value a line. */
  readonly env?: string;
  /** The value has placeholders or names a file; everything else is taken literally. */
  readonly interpolated?: boolean;
}
