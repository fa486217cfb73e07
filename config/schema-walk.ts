import type * as z from 'zod';

/** The parts of zod's own description of a schema that are read here. */
interface SchemaDef {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly catchall?: z.ZodType;
  readonly left?: z.ZodType;
  readonly right?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly getter?: () => z.ZodType;
}

function defOf(schema: z.ZodType): SchemaDef {
  return schema.def as unknown as SchemaDef;
}

/** The schema itself and everything it wraps: optional, default, transform, the members of a union. */
export function unwrap(schema: z.ZodType): z.ZodType[] {
  const all = [schema];
  for (const candidate of all) {
    const def = defOf(candidate);
    const inner = [def.innerType, def.in, def.out, def.left, def.right, def.getter?.(), ...(def.options ?? [])];
    for (const next of inner) if (next !== undefined && !all.includes(next)) all.push(next);
  }
  return all;
}

/** Every schema that may check the value at `path`. */
export function schemasAt(root: z.ZodType, path: readonly (string | number)[]): z.ZodType[] {
  let level = unwrap(root);
  for (const step of path) {
    level = level.flatMap((schema) => {
      const def = defOf(schema);
      const next = def.element ?? def.shape?.[String(step)] ?? def.valueType ?? def.catchall;
      return next === undefined ? [] : unwrap(next);
    });
  }
  return level;
}

/** Keys that an object at `path` may have; empty when it is none or takes any. */
export function keysAt(root: z.ZodType, path: readonly (string | number)[]): string[] {
  return [...new Set(schemasAt(root, path).flatMap((schema) => Object.keys(defOf(schema).shape ?? {})))];
}

/** First value of one `.meta()` key among the schemas at `path`. */
export function metaAt(root: z.ZodType, path: readonly (string | number)[], key: string): unknown {
  for (const schema of schemasAt(root, path)) {
    const value = (schema.meta() as Record<string, unknown> | undefined)?.[key];
    if (value !== undefined) return value;
  }
  return undefined;
}
