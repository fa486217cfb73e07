import assert from 'node:assert/strict';
import type { GatewayFixture } from '../../../core/testing/gateway-fixture.js';
import { settled, until } from '../../integration/kill-matrix-cases.js';
import type { FeatureName, Way } from './cases.js';
import type { Answer, Ask, MatrixClient } from './client.js';
import type { ErrorKind, MatrixWorker, Reply } from './worker.js';

/** A client, a worker, and the gateway between them. */
export interface Pair {
  readonly client: MatrixClient;
  readonly worker: MatrixWorker;
  readonly gateway: GatewayFixture;
}

export interface Scenario {
  /** The request that the feature is about. */
  ask(worker: MatrixWorker): Ask;
  /** Asks in each way, and asserts what arrived here and there. `works`: the worker makes something of it. */
  run(pair: Pair, ask: Ask, ways: readonly Way[]): Promise<void>;
}

const PNG = 'iVBORw0KGgo=';
const SIGNATURE = 'c2lnbmF0dXJl';
const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const CALLS = [
  { id: 'call_1', name: 'weather', input: { city: 'Zürich 🎉' } },
  { id: 'call_2', name: 'time', input: { city: 'Paris' } },
];

/** The answer, asked for in each way: they must be the same. */
async function ask(pair: Pair, what: Ask, ways: readonly Way[], reply: Reply): Promise<Answer> {
  const { client, worker } = pair;
  let first: Answer | undefined;
  for (const way of ways) {
    await worker.reply(reply);
    const answer = await client.ask(what, way);
    first ??= answer;
    assert.deepEqual(comparable(answer, worker), comparable(first, worker), way);
  }
  return first as Answer;
}

/** Without ids, which may be made up anew, and what an engine has in its cache by the second time. */
function comparable({ turn: _, calls, usage, ...answer }: Answer, { scripted }: MatrixWorker): object {
  return {
    ...answer,
    calls: calls.map(({ name, input }) => ({ name, input })),
    usage: scripted ? usage : { ...usage, cached: 0 },
  };
}

/** Text of an answer: what the worker was told to say, or that it said something. */
function assertText({ text }: Answer, { scripted }: MatrixWorker, expected: string): void {
  if (scripted) assert.equal(text, expected);
  else assert.notEqual(text, '');
}

function plain(worker: MatrixWorker): Ask {
  return { model: worker.model, text: 'Say something.' };
}

function withTools(tools: readonly string[], text: string): Scenario {
  return {
    ask: (worker) => ({ model: worker.models.tools ?? worker.model, text, tools }),
    run: async (pair, what, ways) => {
      const { worker } = pair;
      const calls = CALLS.slice(0, tools.length);
      for (const way of ways) {
        const answer = await ask(pair, what, [way], { text: 'I look.', calls, signature: SIGNATURE });
        assert.equal(answer.finish, 'tool_calls');
        assert.deepEqual(worker.seen().tools, tools);
        assert.deepEqual(
          answer.calls.map(({ name }) => name),
          tools,
        );
        if (worker.scripted) {
          assert.deepEqual(
            answer.calls.map(({ input }) => input),
            calls.map(({ input }) => input),
          );
        }
        const results = answer.calls.map(({ id, name }): [string, string] => [id, `result of ${name}`]).reverse();
        const last = await ask(pair, { ...what, after: { answer, results } }, ways, { text: 'It is so.' });
        assertText(last, worker, 'It is so.');
        assert.equal(last.finish, 'stop');
        assert.deepEqual([...worker.seen().results].sort(), results.map(([, result]) => result).sort());
      }
    },
  };
}

function withImage(url: string, seen: string): Scenario {
  return {
    ask: (worker) => ({ ...plain(worker), image: url }),
    run: async (pair, what, ways) => {
      const answer = await ask(pair, what, ways, { text: 'A cat.' });
      assertText(answer, pair.worker, 'A cat.');
      assert.deepEqual(pair.worker.seen().images, [seen]);
    },
  };
}

async function raised(pair: Pair, asking: () => Promise<unknown>): Promise<Error> {
  const error: unknown = await asking().then(
    () => assert.fail('nothing was raised'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof pair.client.apiError, String(error));
  assert.ok(!(error instanceof pair.client.connectionError), String(error));
  return error;
}

/** What each row of the matrix does. */
export const SCENARIOS: Readonly<Record<FeatureName, Scenario>> = {
  text: {
    ask: (worker) => ({ ...plain(worker), system: 'Be brief.' }),
    run: async (pair, what, ways) => {
      const { worker } = pair;
      const answer = await ask(pair, what, ways, { text: 'Grüezi 🎉 mitenand.' });
      assertText(answer, worker, 'Grüezi 🎉 mitenand.');
      assert.equal(answer.finish, 'stop');
      assert.equal(answer.model, worker.servedModel(what.model));
      assert.ok(answer.usage.input > 0 && answer.usage.output > 0);
      assert.equal(worker.seen().system, 'Be brief.');
    },
  },
  tools: withTools(['weather'], 'What is the weather?'),
  parallel_tools: withTools(['weather', 'time'], 'Tell me both.'),
  images: withImage(`data:image/png;base64,${PNG}`, `image/png ${PNG}`),
  image_urls: withImage('https://example.com/cat.png', 'https://example.com/cat.png'),
  json_schema: {
    ask: (worker) => ({ ...plain(worker), schema: SCHEMA }),
    run: async (pair, what, ways) => {
      const answer = await ask(pair, what, ways, { text: '{"city":"Paris"}' });
      assertText(answer, pair.worker, '{"city":"Paris"}');
      assert.equal(pair.worker.seen().hasSchema, true);
    },
  },
  reasoning: {
    ask: (worker) => ({ ...plain(worker), model: worker.models.reasoning ?? worker.model, reasons: true }),
    run: async (pair, what, ways) => {
      const { worker } = pair;
      const answer = await ask(pair, what, ways, { reasoning: 'Let me think.', text: 'Yes.' });
      assertText(answer, worker, 'Yes.');
      assert.equal(answer.reasoning, worker.tells.reasoning ? 'Let me think.' : '');
      assert.equal(worker.seen().reasons, true);
    },
  },
  reasoning_turns: {
    ask: (worker) => ({
      model: worker.models.tools ?? worker.model,
      text: 'What is the weather?',
      tools: ['weather'],
      reasons: true,
    }),
    run: async (pair, what, ways) => {
      const reply = { reasoning: 'Let me think.', signature: SIGNATURE, calls: CALLS.slice(0, 1) };
      for (const way of ways) {
        const answer = await ask(pair, what, [way], reply);
        const results = answer.calls.map(({ id }): [string, string] => [id, 'rain']);
        await ask(pair, { ...what, after: { answer, results } }, [way], { text: 'Rain.' });
        assert.deepEqual(pair.worker.seen().signatures, [SIGNATURE], way);
      }
    },
  },
  stop: {
    ask: (worker) => ({ ...plain(worker), stop: ['END', 'STOP'] }),
    run: async (pair, what, ways) => {
      const { worker } = pair;
      if (worker.scripted) {
        const answer = await ask(pair, what, ways, { text: 'Until here', matchedStop: 'END' });
        assert.equal(answer.finish, 'stop');
        assert.equal(answer.matchedStop, worker.tells.matchedStop ? 'END' : undefined);
        assert.deepEqual(worker.seen().stop, what.stop);
        return;
      }
      const { text } = await ask(pair, plain(worker), ['whole'], {});
      const word = text.split(' ')[3] ?? assert.fail(text);
      const answer = await ask(pair, { ...what, stop: [word] }, ways, {});
      assert.equal(answer.finish, 'stop');
      assert.equal(answer.text, text.slice(0, text.indexOf(word)));
    },
  },
  cached_usage: {
    ask: (worker) => ({ ...plain(worker), text: 'The same words, over and over. '.repeat(20) }),
    run: async (pair, what, ways) => {
      const { worker } = pair;
      // An engine has them in its cache from the second time on.
      if (!worker.scripted) await ask(pair, what, ['whole'], {});
      for (const way of ways) {
        const { usage } = await ask(pair, what, [way], { text: 'Yes.', cachedTokens: 9 });
        if (worker.scripted) assert.equal(usage.cached, 9);
        else assert.ok(usage.cached > 0);
        assert.ok(usage.input >= usage.cached && usage.output > 0);
      }
    },
  },
  choices: {
    ask: (worker) => ({ ...plain(worker), choices: 2 }),
    run: async (pair, what, ways) => {
      const { choices } = await ask(pair, what, ways, { text: 'Yes.', choices: 2 });
      assert.equal(choices.length, 2);
      for (const text of choices) assertText({ text } as Answer, pair.worker, 'Yes.');
    },
  },
  count_tokens: {
    ask: plain,
    run: async ({ client }, what) => assert.ok((await client.countTokens(what)) > 0),
  },
  errors: {
    ask: plain,
    run: async (pair, what, ways) => {
      const { client, worker } = pair;
      for (const [kind, [type, status]] of Object.entries(client.errors)) {
        for (const way of ways) {
          await worker.reply({ error: kind as ErrorKind });
          const error = await raised(pair, () => client.ask(what, way));
          assert.ok(error instanceof type, `${kind}: ${error}`);
          const expected = worker.statuses[kind as ErrorKind] ?? status;
          assert.equal((error as { status?: number }).status, expected, `${kind}: ${error}`);
        }
      }
    },
  },
  abort: {
    ask: plain,
    run: async ({ client, worker, gateway }, what) => {
      const before = worker.aborted();
      await worker.reply({ text: 'One two three four five six', ending: 'hold' });
      await client.leave(what);
      await until(() => worker.aborted() === before + 1);
      await settled(gateway);
      assert.equal(worker.inFlight(), 0);
    },
  },
  cut_stream: {
    ask: plain,
    run: async (pair, what) => {
      for (const ending of ['cut', 'end'] as const) {
        await pair.worker.reply({ text: 'One two three four five six', ending });
        let text = '';
        await raised(pair, () => pair.client.read(what, (piece) => (text += piece)));
        assert.notEqual(text, '', ending);
      }
    },
  },
};
