import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import OpenAI from 'openai';
import { FAKE_ANTHROPIC_KEY, FakeAnthropic } from '../fakes/fake-anthropic.js';
import { FakeGemini } from '../fakes/fake-gemini.js';
import { FakeOpenAi } from '../fakes/fake-openai.js';
import type { FakeProvider } from '../fakes/fake-provider.js';
import { type GatewayProcess, startSmg } from './gateway-process.js';

const HOST_MAP = pathToFileURL(join(import.meta.dirname, '../fakes/host-map.ts')).href;
const OPENAI_KEY = 'sk-proj-command-00000';
const XAI_KEY = 'xai-command-00000';
const COMMON = ['--host', '127.0.0.1', '--port', '0', '--prometheus-port', '0', '--prometheus-host', '127.0.0.1'];

interface Command {
  readonly host: string;
  readonly variable: string;
  readonly key: string;
  readonly model: string;
  readonly path: string;
  readonly says: string;
  readonly provider: FakeProvider;
}

/** The commands as people type them, real addresses included; only the network is the test's. */
describe('smg --backend openai --worker-urls https://…', () => {
  const commands: Command[] = [];
  const fakes: { close(): Promise<void> }[] = [];
  let dir: string;
  let base: Record<string, string>;

  before(async () => {
    const openai = await FakeOpenAi.start({ key: OPENAI_KEY, hosts: ['api.openai.com'] });
    const xai = await FakeOpenAi.start({ key: XAI_KEY, models: ['grok-4'], hosts: ['api.x.ai'] });
    const anthropic = await FakeAnthropic.start({ hosts: ['api.anthropic.com'] });
    const gemini = await FakeGemini.start({ hosts: ['generativelanguage.googleapis.com'] });
    fakes.push(openai, xai, anthropic, gemini);
    commands.push(
      {
        host: 'api.openai.com',
        variable: 'OPENAI_API_KEY',
        key: OPENAI_KEY,
        model: 'gpt-4o-mini',
        path: '/v1/chat/completions',
        says: 'Hello!',
        provider: openai.provider,
      },
      {
        host: 'api.anthropic.com',
        variable: 'ANTHROPIC_API_KEY',
        key: FAKE_ANTHROPIC_KEY,
        model: 'claude-sonnet-4-5',
        path: '/v1/messages',
        says: 'Hello from Claude.',
        provider: anthropic.provider,
      },
      {
        host: 'api.x.ai',
        variable: 'XAI_API_KEY',
        key: XAI_KEY,
        model: 'grok-4',
        path: '/v1/chat/completions',
        says: 'Hello!',
        provider: xai.provider,
      },
      {
        host: 'generativelanguage.googleapis.com',
        variable: 'GEMINI_API_KEY',
        key: gemini.key,
        model: 'gemini-2.5-flash',
        path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
        says: 'Hello!',
        provider: gemini.provider,
      },
    );
    dir = await mkdtemp(join(tmpdir(), 'smg-commands-'));
    const authorities = join(dir, 'authorities.pem');
    await writeFile(authorities, commands.map(({ provider }) => provider.ca).join('\n'));
    const ports = commands.map(({ host, provider }) => [host, Number(new URL(provider.url).port)]);
    base = { NODE_EXTRA_CA_CERTS: authorities, SMG_TEST_HOSTS: JSON.stringify(Object.fromEntries(ports)) };
  });

  after(async () => {
    for (const fake of fakes) await fake.close();
    await rm(dir, { recursive: true, force: true });
  });

  function start(urls: readonly string[], keys: readonly Command[]): Promise<GatewayProcess> {
    const env = { ...base, ...Object.fromEntries(keys.map(({ variable, key }) => [variable, key])) };
    const args = ['--backend', 'openai', '--worker-urls', ...urls, ...COMMON, '--log-json'];
    return startSmg(args, { env, imports: [HOST_MAP] });
  }

  /** The same chat, streamed and not, and the model in the list. */
  async function chat(gateway: GatewayProcess, command: Command): Promise<void> {
    const { model, says, provider, path } = command;
    const [url] = Object.values(gateway.urls);
    // Without a key of its own: that would go before the one that the gateway has.
    const client = new OpenAI({
      baseURL: `${url}/v1`,
      apiKey: 'unused',
      defaultHeaders: { authorization: null },
      maxRetries: 0,
    });
    const body = { model, messages: [{ role: 'user' as const, content: 'Hi' }] };
    const whole = await client.chat.completions.create(body);
    assert.equal(whole.choices[0]?.message.content, says);
    const streamed = await client.chat.completions.stream({ ...body, stream: true }).finalContent();
    assert.equal(streamed, says);
    assert.equal(provider.lastRequest.path, path);
    const ids = (await client.models.list()).data.map(({ id }) => id);
    assert.ok(ids.includes(model), ids.join());
  }

  for (const index of [0, 1, 2, 3]) {
    const name = ['api.openai.com', 'api.anthropic.com', 'api.x.ai', 'generativelanguage.googleapis.com'][index];
    it(`${name}, its key in the environment`, async () => {
      const command = commands[index] as Command;
      assert.equal(command.host, name);
      const gateway = await start([`https://${command.host}`], [command]);
      try {
        await chat(gateway, command);
        assert.ok(!JSON.stringify(gateway.logLines()).includes(command.key));
      } finally {
        await gateway.close();
      }
    });
  }

  it('all of them at once: the name of the model is enough', async () => {
    const urls = commands.map(({ host }) => `https://${host}/v1`.replace('googleapis.com/v1', 'googleapis.com/v1beta'));
    const gateway = await start(urls, commands);
    try {
      for (const command of commands) await chat(gateway, command);
      for (const { provider, key } of commands) {
        for (const { headers } of provider.requests) {
          const others = commands.filter((other) => other.key !== key).map((other) => other.key);
          assert.ok(!others.some((other) => JSON.stringify(headers).includes(other)));
        }
      }
    } finally {
      await gateway.close();
    }
  });
});
