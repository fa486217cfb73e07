import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckMode } from './answer-check.js';
import { repositoryPath } from './program.js';

/** What a target may use to build its command. */
export interface LaunchContext {
  /** Free ports on 127.0.0.1: the gateway's, and one for metrics or a second listener. */
  readonly port: number;
  readonly extraPort: number;
  /** Origins of the two workers. */
  readonly workers: readonly string[];
  /** An empty directory of the target's own. */
  readonly directory: string;
  /** Path of a compiled program of the bench. */
  readonly programPath: (name: string) => string;
}

export interface Launch {
  readonly command: readonly string[];
  /** Where HTTP/2 with prior knowledge is spoken; undefined when nowhere. */
  readonly http2Port: number | undefined;
}

/** Something that is measured. */
export interface Target {
  readonly name: string;
  readonly check: CheckMode;
  /** Why it cannot run here; undefined when it can. */
  readonly problem: string | undefined;
  /** Undefined: the load goes straight to a worker. */
  launch(context: LaunchContext): Launch | undefined;
}

/** The yardstick that ratios refer to. */
export const BASELINE = 'bare';

/** The build of this repository. */
export const OURS = 'smg';

/** The Rust original, when it is installed. */
export const REFERENCE = 'smg-reference';

/** All targets known without configuration, the yardstick first. */
export function createBuiltInTargets(environment: NodeJS.ProcessEnv): Target[] {
  return [
    { name: 'direct', check: 'exact', problem: undefined, launch: () => undefined },
    { name: BASELINE, check: 'exact', problem: undefined, launch: launchBareProxy },
    createNginx(environment),
    createReference(environment),
    createOurs(),
  ];
}

/**
 * A target from `name=command`. In the command `{port}`, `{extra_port}`, `{workers}` (origins, separated by blanks),
 * `{workers_csv}` and `{config}` (a gateway.yaml as the build of this repository gets it, for another build of it) are
 * filled in; it is split at blanks and no shell sees it. Throws when there is no `=`.
 */
export function parseTarget(text: string, rewriting: readonly string[]): Target {
  const equals = text.indexOf('=');
  const name = text.slice(0, equals);
  if (equals < 1) throw new Error(`--add wants name=command, not "${text}"`);
  const template = text.slice(equals + 1);
  return {
    name,
    check: rewriting.includes(name) ? 'meaning' : 'exact',
    problem: undefined,
    launch: (context) => ({
      command: fillCommand(template, context),
      http2Port: template.includes('{config}') ? context.port : undefined,
    }),
  };
}

function fillCommand(template: string, context: LaunchContext): string[] {
  const config = template.includes('{config}') ? writeGatewayConfig(context) : '';
  return template
    .replaceAll('{port}', String(context.port))
    .replaceAll('{extra_port}', String(context.extraPort))
    .replaceAll('{workers}', context.workers.join(' '))
    .replaceAll('{workers_csv}', context.workers.join(','))
    .replaceAll('{config}', config)
    .split(/\s+/)
    .filter((part) => part !== '');
}

function launchBareProxy(context: LaunchContext): Launch {
  const { port, extraPort, workers } = context;
  return {
    command: [process.execPath, context.programPath('bare-proxy'), String(port), String(extraPort), ...workers],
    http2Port: extraPort,
  };
}

function createNginx(environment: NodeJS.ProcessEnv): Target {
  const binary = environment.NGINX_BIN ?? 'nginx';
  const isInstalled = spawnSync(binary, ['-v'], { stdio: 'ignore' }).status === 0;
  return {
    name: 'nginx',
    check: 'exact',
    problem: isInstalled ? undefined : 'not installed (NGINX_BIN names another binary)',
    launch(context) {
      writeFileSync(join(context.directory, 'nginx.conf'), createNginxConfig(context));
      for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(context.directory, name));
      return { command: [binary, '-p', context.directory, '-c', 'nginx.conf'], http2Port: context.extraPort };
    },
  };
}

/** One worker process, kept-alive upstream connections, no buffering of answers, no access log: nginx at its best. */
function createNginxConfig(context: LaunchContext): string {
  const servers = context.workers.map((origin) => `    server ${new URL(origin).host};`).join('\n');
  const directories = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${name.replace('client_', '')};`)
    .join('\n');
  return `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
${directories}
  client_max_body_size 64m;
  client_body_buffer_size 256k;
  keepalive_timeout 120s;
  keepalive_requests 1000000000;
  http2_max_requests 1000000000;
  upstream bench_workers {
${servers}
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${context.port} backlog=1024;
    listen 127.0.0.1:${context.extraPort} http2 backlog=1024;
    location / {
      proxy_pass http://bench_workers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 10m;
    }
  }
}
`;
}

function createReference(environment: NodeJS.ProcessEnv): Target {
  const binary = environment.SMG_REFERENCE_BIN;
  const isUsable = binary !== undefined && existsSync(binary);
  return {
    name: REFERENCE,
    check: 'exact',
    problem: isUsable ? undefined : 'SMG_REFERENCE_BIN does not name the installed program (see bench/README.md)',
    launch: ({ port, extraPort, workers }) => ({
      command: [
        binary ?? '',
        'launch',
        ...['--host', '127.0.0.1', '--port', String(port)],
        ...['--prometheus-host', '127.0.0.1', '--prometheus-port', String(extraPort)],
        ...['--policy', 'round_robin', '--worker-urls', ...workers],
      ],
      http2Port: port,
    }),
  };
}

function createOurs(): Target {
  const entry = repositoryPath('dist', 'bin', 'main.js');
  return {
    name: OURS,
    check: 'exact',
    problem: existsSync(entry) ? undefined : 'dist/bin/main.js is missing: run `npm run build` first',
    launch: (context) => ({
      command: [process.execPath, entry, 'run', '-c', writeGatewayConfig(context)],
      http2Port: context.port,
    }),
  };
}

/** The standard preset as users run it: metrics listener and access log on. Returns the path of the file. */
function writeGatewayConfig(context: LaunchContext): string {
  const path = join(context.directory, 'gateway.yaml');
  const config = `listeners:
  - name: main
    host: 127.0.0.1
    port: ${context.port}
filters:
  - preset: standard
clusters:
  - name: bench
    policy: round_robin
    workers: [${context.workers.join(', ')}]
telemetry:
  logs: { level: info, format: json, access: true }
  metrics: { prometheus: { host: 127.0.0.1, port: ${context.extraPort} } }
`;
  writeFileSync(path, config);
  return path;
}
