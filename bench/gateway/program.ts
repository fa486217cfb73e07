import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { spawnPinned, stopProcess } from './pinned-process.js';

const SOURCE_DIRECTORY = dirname(fileURLToPath(import.meta.url));
const REPOSITORY_DIRECTORY = dirname(dirname(SOURCE_DIRECTORY));
// Inside node_modules, so that the programs find their packages and nothing has to be ignored.
const OUTPUT_DIRECTORY = join(REPOSITORY_DIRECTORY, 'node_modules', '.cache', 'smg-bench');

/** The repository that is measured. */
export function repositoryPath(...parts: readonly string[]): string {
  return join(REPOSITORY_DIRECTORY, ...parts);
}

/**
 * Compiles the bench's programs (those of a folder; default this one) to plain JavaScript, so that no loader takes part in what is measured. Returns the
 * path of a program by the name of its source file.
 */
export function compilePrograms(source = SOURCE_DIRECTORY): (name: string) => string {
  mkdirSync(OUTPUT_DIRECTORY, { recursive: true });
  writeIfChanged(join(OUTPUT_DIRECTORY, 'package.json'), '{"type":"module"}\n');
  for (const file of readdirSync(source)) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(source, file), 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true },
    });
    writeIfChanged(join(OUTPUT_DIRECTORY, file.replace(/\.ts$/, '.js')), outputText);
  }
  return (name) => join(OUTPUT_DIRECTORY, `${name}.js`);
}

/** Two runs at a time share the directory: a file that is up to date is left alone, another one replaced in one step. */
function writeIfChanged(path: string, text: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/** A program of the bench that answers each message with one message, one at a time. */
export class Program<Request, Reply> {
  readonly #child: ChildProcess;
  readonly #name: string;

  constructor(path: string, core: number | undefined) {
    this.#name = path;
    this.#child = spawnPinned([process.execPath, path], core, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits for a message that was not asked for: what a program says when it is ready. */
  receive(): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error(`${this.#name} ended unexpectedly`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (message) => {
        this.#child.off('exit', onExit);
        resolve(message as Reply);
      });
    });
  }

  ask(request: Request): Promise<Reply> {
    const reply = this.receive();
    this.#child.send(request as object);
    return reply;
  }

  stop(): Promise<void> {
    return stopProcess(this.#child);
  }
}
