import type { AnyPlugin } from '../core/api/define.js';
import { clientApis } from './api/index.js';
import anthropic from './backend/anthropic/plugin.js';
import azure from './backend/azure/plugin.js';
import gemini from './backend/gemini/plugin.js';
import openai from './backend/openai/plugin.js';
import openaiCompatible from './backend/openai_compatible/plugin.js';
import sglangHttp from './backend/sglang_http/plugin.js';
import vllmHttp from './backend/vllm_http/plugin.js';
import xai from './backend/xai/plugin.js';
import dns from './discovery/dns/factory.js';
import file from './discovery/file/factory.js';
import sim from './engine/sim/factory.js';
import powerOfTwo from './policy/power_of_two/plugin.js';
import random from './policy/random/plugin.js';
import roundRobin from './policy/round_robin/plugin.js';

/** Every plugin that ships with the gateway, filters apart. */
export const BUILT_IN_PLUGINS: readonly AnyPlugin[] = [
  ...clientApis,
  anthropic,
  azure,
  openai,
  gemini,
  openaiCompatible,
  sglangHttp,
  vllmHttp,
  xai,
  dns,
  file,
  sim,
  powerOfTwo,
  random,
  roundRobin,
];
