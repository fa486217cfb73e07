import 'reflect-metadata';
import { type DependencyContainer, container as globalContainer } from 'tsyringe';
import { BugError, ConfigError } from '../api/errors.js';
import type { InjectionToken, Services } from '../api/injection.js';

/**
 * Services by token, in levels: the process, under it one per config generation, under that one per plugin instance. A
 * thin layer over tsyringe that takes away what surprises: a second registration throws instead of winning, only tokens
 * are resolved, and disposal is the lifetime's business, in order.
 */
export class ServiceContainer {
  readonly #container: DependencyContainer;

  private constructor(container: DependencyContainer) {
    this.#container = container;
  }

  /** The top level. Nothing is ever registered in tsyringe's global container. */
  static createRoot(): ServiceContainer {
    return new ServiceContainer(globalContainer.createChildContainer());
  }

  /** Sees what this one holds; what it registers itself is seen below it only. */
  createChild(): ServiceContainer {
    return new ServiceContainer(this.#container.createChildContainer());
  }

  /** Registers a service. Throws BugError when this level has it already. */
  bind<T>(token: InjectionToken<T>, service: T): void {
    if (this.#container.isRegistered(token)) throw new BugError(`the service ${nameOf(token)} is registered twice`);
    this.#container.register<T>(token as symbol, { useValue: service });
  }

  /** The services of these tokens, in order. A missing one throws ConfigError with both names. */
  resolve<Tokens extends readonly InjectionToken<unknown>[]>(tokens: Tokens, consumer: string): Services<Tokens> {
    return tokens.map((token) => {
      if (!this.#container.isRegistered(token as symbol, true)) {
        throw new ConfigError(`${consumer} needs the service ${nameOf(token)}, which nothing provides`);
      }
      return this.#container.resolve(token as symbol);
    }) as Services<Tokens>;
  }
}

function nameOf(token: symbol): string {
  return token.description?.replace(/^smg\./, '') ?? 'without a name';
}
