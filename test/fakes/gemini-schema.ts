import * as z from 'zod';

/** Request of `generateContent` (v1beta) as Google documents it; any other name is an error there, too. */

const blob = z.strictObject({ mimeType: z.string(), data: z.base64(), displayName: z.string().optional() });

const schemaNode: z.ZodType = z.lazy(() =>
  z.strictObject({
    type: z
      .string()
      .regex(/^(?:string|number|integer|boolean|array|object|null)$/i)
      .optional(),
    format: z.string().optional(),
    title: z.string().optional(),
    description: z.string().optional(),
    nullable: z.boolean().optional(),
    enum: z.array(z.string().min(1)).optional(),
    items: schemaNode.optional(),
    minItems: z.union([z.string(), z.number()]).optional(),
    maxItems: z.union([z.string(), z.number()]).optional(),
    properties: z.record(z.string(), schemaNode).optional(),
    required: z.array(z.string()).optional(),
    propertyOrdering: z.array(z.string()).optional(),
    anyOf: z.array(schemaNode).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    minLength: z.union([z.string(), z.number()]).optional(),
    maxLength: z.union([z.string(), z.number()]).optional(),
    minProperties: z.union([z.string(), z.number()]).optional(),
    maxProperties: z.union([z.string(), z.number()]).optional(),
    pattern: z.string().optional(),
    default: z.unknown().optional(),
    example: z.unknown().optional(),
  }),
);

const part = z.strictObject({
  text: z.string().optional(),
  thought: z.boolean().optional(),
  thoughtSignature: z.string().optional(),
  inlineData: blob.optional(),
  fileData: z.strictObject({ fileUri: z.string(), mimeType: z.string().optional() }).optional(),
  mediaResolution: z
    .strictObject({ level: z.enum(['MEDIA_RESOLUTION_LOW', 'MEDIA_RESOLUTION_MEDIUM', 'MEDIA_RESOLUTION_HIGH']) })
    .optional(),
  functionCall: z
    .strictObject({ id: z.string().optional(), name: z.string(), args: z.record(z.string(), z.unknown()).optional() })
    .optional(),
  functionResponse: z
    .strictObject({
      id: z.string().optional(),
      name: z.string(),
      response: z.record(z.string(), z.unknown()),
      parts: z.array(z.strictObject({ inlineData: blob })).optional(),
    })
    .optional(),
  executableCode: z.strictObject({ language: z.string(), code: z.string() }).optional(),
  codeExecutionResult: z.strictObject({ outcome: z.string(), output: z.string().optional() }).optional(),
});

const content = z.strictObject({ role: z.string().optional(), parts: z.array(part) });

const functionDeclaration = z.strictObject({
  name: z.string(),
  description: z.string().optional(),
  parameters: schemaNode.optional(),
  parametersJsonSchema: z.unknown().optional(),
});

const generationConfig = z.strictObject({
  maxOutputTokens: z.int().optional(),
  temperature: z.number().min(0).max(2).optional(),
  topP: z.number().optional(),
  topK: z.number().optional(),
  stopSequences: z.array(z.string()).max(5).optional(),
  candidateCount: z.int().min(1).max(8).optional(),
  seed: z.int32().optional(),
  frequencyPenalty: z.number().optional(),
  presencePenalty: z.number().optional(),
  responseLogprobs: z.boolean().optional(),
  logprobs: z.int().min(0).max(20).optional(),
  responseModalities: z.array(z.enum(['TEXT', 'IMAGE', 'AUDIO'])).optional(),
  speechConfig: z
    .strictObject({ voiceConfig: z.strictObject({ prebuiltVoiceConfig: z.strictObject({ voiceName: z.string() }) }) })
    .optional(),
  responseMimeType: z.string().optional(),
  responseSchema: schemaNode.optional(),
  responseJsonSchema: z.unknown().optional(),
  thinkingConfig: z
    .strictObject({
      includeThoughts: z.boolean().optional(),
      thinkingBudget: z.int().optional(),
      thinkingLevel: z
        .string()
        .regex(/^(?:minimal|low|medium|high)$/i)
        .optional(),
    })
    .optional(),
});

export const generateContentSchema = z.strictObject({
  contents: z.array(content),
  systemInstruction: content.optional(),
  tools: z
    .array(
      z.strictObject({
        functionDeclarations: z.array(functionDeclaration).optional(),
        googleSearch: z.strictObject({}).optional(),
        codeExecution: z.strictObject({}).optional(),
        urlContext: z.strictObject({}).optional(),
      }),
    )
    .optional(),
  toolConfig: z
    .strictObject({
      functionCallingConfig: z.strictObject({
        mode: z.enum(['AUTO', 'ANY', 'NONE', 'VALIDATED']),
        allowedFunctionNames: z.array(z.string()).optional(),
      }),
    })
    .optional(),
  generationConfig: generationConfig.optional(),
  safetySettings: z.array(z.strictObject({ category: z.string(), threshold: z.string() })).optional(),
  cachedContent: z.string().optional(),
});

export type GenerateContentBody = z.output<typeof generateContentSchema>;
export type GenerateContentPart = z.output<typeof part>;
