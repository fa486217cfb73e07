declare const SERVICE: unique symbol;

/** Names a service of type `T`. A symbol at run time; declared beside the interface, under the same name. */
export type InjectionToken<T> = symbol & { readonly [SERVICE]?: T };

/** The tuple of services that a tuple of tokens names. */
export type Services<Tokens extends readonly InjectionToken<unknown>[]> = {
  -readonly [Index in keyof Tokens]: Tokens[Index] extends InjectionToken<infer T> ? T : never;
};

/** Makes the token of a service. Equal names give the same token, so two copies of this package agree. */
export function createToken<T>(name: string): InjectionToken<T> {
  return Symbol.for(`smg.${name}`) as InjectionToken<T>;
}
