import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorsOf, loadText } from './testing/load-text.js';

const CLUSTER = 'clusters: [http://a:1]\n';
const chain = (entry: string): string => `${CLUSTER}filters: [{ preset: standard }, ${entry}]`;
const route = (change: string, entry = '{ type: tagger, after: model }'): string =>
  `${chain(entry)}\nroutes: [{ name: r, cluster: default, ${change} }]`;

describe('a match', () => {
  for (const [name, text] of [
    [
      'on what the head says, anywhere',
      chain('{ type: tagger, before: request_id, match: { headers: { x-a: [b, "!c"] } } }'),
    ],
    ['on tenants below auth', chain('{ type: tagger, after: auth, match: { tenants: [red] } }')],
    [
      'on the body below inference',
      chain('{ type: tagger, after: inference, match: { models: [x], streaming: true } }'),
    ],
    [
      'of alternatives',
      chain('{ type: tagger, after: model, match: { any: [{ models: [x] }, { methods: [POST] }] } }'),
    ],
    ['on a filter that nobody depends on', chain('{ name: auth, match: { paths: [/v1/*] } }')],
    [
      'of a route on everything',
      route('match: { methods: [POST], tenants: [red], streaming: false, any: [{ models: [x] }] }'),
    ],
  ] as const) {
    it(`may stand ${name}`, async () => {
      await loadText(text);
    });
  }

  for (const [name, text, expected] of [
    [
      'streaming above inference',
      chain('{ type: tagger, match: { streaming: true } }'),
      'gateway.yaml:2:69 filters[1].match.streaming: is known only below the filter "inference": move "tagger" with after: inference',
    ],
    [
      'models above inference in an alternative',
      chain('{ type: tagger, match: { any: [{ paths: [/x] }, { models: [x] }] } }'),
      'gateway.yaml:2:91 filters[1].match.any[1].models: is known only below the filter "inference": move "tagger" with after: inference',
    ],
    [
      'tenants above auth',
      chain('{ type: tagger, before: cors, match: { tenants: [red] } }'),
      'gateway.yaml:2:81 filters[1].match.tenants: is known only below the filter "auth": move "tagger" with after: auth',
    ],
    [
      'tenants in a chain without auth',
      `${CLUSTER}filters: [{ preset: minimal }, { type: tagger, match: { tenants: [red] } }]`,
      'gateway.yaml:2:66 filters[1].match.tenants: is not known: no filter of the chain gives principal',
    ],
    [
      'tenants of a route in a chain without auth',
      `${CLUSTER}filters: [{ preset: minimal }]\nroutes: [{ cluster: default, match: { any: [{ tenants: [red] }] } }]`,
      'gateway.yaml:3:56 routes[0].match.any[0].tenants: is not known: no filter of the chain gives principal',
    ],
    [
      'a filter that gives what others need',
      chain('{ name: inference, match: { paths: [/v1/*] } }'),
      'gateway.yaml:2:59 filters[1].match: the filters below "inference" depend on it: it takes no match',
    ],
    [
      'a filter that nests',
      chain('{ name: retry, match: { models: [x] } }'),
      'gateway.yaml:2:55 filters[1].match: the filters below "retry" depend on it: it takes no match',
    ],
    [
      'a misspelt key',
      chain('{ type: tagger, match: { header: { a: b } } }'),
      'gateway.yaml:2:58 filters[1].match.header: unknown key (did you mean "headers"?)',
    ],
    [
      'alternatives within alternatives',
      chain('{ type: tagger, match: { any: [{ any: [{ paths: [/x] }] }] } }'),
      'gateway.yaml:2:66 filters[1].match.any[0].any: unknown key',
    ],
    [
      'a listener that does not exist in an alternative',
      chain('{ type: tagger, match: { any: [{ listeners: [mian] }] } }'),
      'gateway.yaml:2:78 filters[1].match.any[0].listeners[0]: no listener "mian" (did you mean "main"?)',
    ],
    [
      'a header that is a number',
      chain('{ type: tagger, match: { headers: { x-a: 1 } } }'),
      'gateway.yaml:2:74 filters[1].match.headers.x-a: must be text or a list, not 1',
    ],
  ] as const) {
    it(`is refused for ${name}`, async () => assert.equal(await errorsOf(text), expected));
  }
});

describe('what a route changes', () => {
  for (const [name, text, expected] of [
    [
      'a filter above the one that finds the route',
      route('filters: { cors: off }'),
      'gateway.yaml:3:50 routes[0].filters.cors: "cors" stands above "model", which finds the route: no route can change it; give it a match, or move it with after: model',
    ],
    [
      'the filter that finds the route',
      route('filters: { model: { disabled: true } }'),
      'gateway.yaml:3:50 routes[0].filters.model: "model" finds the route: no route can change it',
    ],
    [
      'leaving out what others depend on',
      route('filters: { policy: off }'),
      'gateway.yaml:3:50 routes[0].filters.policy: "credentials" below depends on "policy": it cannot be left out',
    ],
    [
      'leaving out the end of the chain',
      route('filters: { upstream: { disabled: true } }'),
      'gateway.yaml:3:50 routes[0].filters.upstream: "upstream" ends the chain: it cannot be left out',
    ],
    [
      'settings that the filter does not have',
      route('retry: { attemps: 2 }'),
      'gateway.yaml:3:48 routes[0].retry.attemps: unknown key (did you mean "attempts"?)',
    ],
    [
      'settings of retry where the chain has none',
      `resilience: { retry: off }\n${route('retry: { attempts: 2 }')}`,
      'gateway.yaml:4:46 routes[0].retry: no filter "retry" in the chain',
    ],
    ['settings of retry that are none', route('retry: 5'), 'gateway.yaml:3:46 routes[0].retry: must be a map, not 5'],
    [
      'a change that is none',
      route('filters: { tagger: maybe }'),
      'gateway.yaml:3:58 routes[0].filters.tagger: must be a map, not "maybe"',
    ],
    [
      'filters of a chain that finds no route',
      `${CLUSTER}filters: [{ preset: none }, tagger]\nroutes: [{ cluster: default, filters: { tagger: off } }]`,
      'gateway.yaml:3:41 routes[0].filters.tagger: has no effect: no filter of the chain finds routes',
    ],
  ] as const) {
    it(`cannot be ${name}`, async () => {
      const errors = await errorsOf(text);
      assert.ok(errors.split('\n').includes(expected), errors);
    });
  }
});
