import * as z from 'zod';
import { API_VERSION, type BackendCall, Clock, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { TranslatedApis } from '../http/translated-apis.js';
import { Treatment, treatmentSchema } from '../http/treatment.js';
import { ChatDialect } from '../openai_chat/dialect.js';
import { CHAT_FLAVOURS, configuredFlavour } from '../openai_chat/flavour.js';

const configSchema = treatmentSchema('max_completion_tokens').extend({
  api_version: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}(?:-preview)?$/, 'must be a date like 2024-10-21')
    .optional()
    .describe('Version of the dated API, whose paths name the deployment. Default: the v1 API.'),
  deployments: z
    .record(z.string(), z.string().min(1))
    .default({})
    .describe('Deployment of each model. Default: deployments are called as the models are.'),
});

/**
 * Azure OpenAI by key. The v1 API takes the deployment as the model; the dated one has it in its path and ignores the
 * model of the body.
 */
export default defineBackend({
  type: 'azure',
  apiVersion: API_VERSION,
  configSchema,
  inject: [UpstreamClient, Clock],
  create: (config, _lifetime, client, clock) => {
    const treatment = new Treatment(config);
    const flavour = configuredFlavour(CHAT_FLAVOURS.azure, config);
    const { deployments, api_version: version } = config;
    const deploymentOf = (model: string) =>
      Object.hasOwn(deployments, model) ? (deployments[model] as string) : model;
    const forwarding = new HttpBackend(
      {
        type: 'azure',
        nativeApis: OPENAI_APIS.filter((api) => api !== 'messages' && api !== 'count_tokens'),
        missingApis: ['generate', 'messages', 'count_tokens', 'rerank', 'classify', 'score'],
        prepare: (request, { headers }: BackendCall) => {
          treatment.apply(request);
          const deployment = deploymentOf(request.model ?? '');
          if (version === undefined) {
            request.setModel(deployment);
            return;
          }
          const path = headers.path.replace(/^\/v1\//, `/openai/deployments/${encodeURIComponent(deployment)}/`);
          headers.path = `${path}${path.includes('?') ? '&' : '?'}api-version=${version}`;
        },
        versionPath: '/openai/v1',
      },
      client,
    );
    return new TranslatedApis(forwarding, new ChatDialect(() => flavour, clock), {
      always: ['messages'],
      whereMissing: [],
    });
  },
});
