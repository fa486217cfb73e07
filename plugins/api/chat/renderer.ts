import type { DeltaRenderer, RenderContext } from '../../../core/api/client-api.js';
import type { InferenceRequest } from '../../../core/api/inference.js';
import { wantsUsage } from '../openai-wire.js';
import { ChatCollector } from './collector.js';
import { ChatStreamRenderer } from './stream-renderer.js';

export function createChatRenderer(request: InferenceRequest, context: RenderContext): DeltaRenderer {
  return request.stream ? new ChatStreamRenderer(context, wantsUsage(request)) : new ChatCollector(context);
}
