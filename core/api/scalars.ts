/** Unsigned 32 bits, as SMG takes it; higher is preferred. */
export type Priority = number;
/** The union of a const table's values: `ValueOf<typeof FilterDataStatus>`. */
export type ValueOf<T> = T[keyof T];
