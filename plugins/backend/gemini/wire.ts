import type { JsonObject } from '../../../core/api/index.js';

/** Bodies of `generateContent` as Google's API reference names their fields (v1beta, JSON in camelCase). */

export interface GeminiBlob {
  readonly mimeType: string;
  /** Base64. */
  readonly data: string;
}

export interface GeminiFunctionResponse {
  readonly name: string;
  readonly response: JsonObject;
  readonly parts?: readonly { readonly inlineData: GeminiBlob }[];
}

/** One part of a request. */
export type GeminiPart = {
  text?: string;
  thought?: boolean;
  thoughtSignature?: string;
  inlineData?: GeminiBlob;
  fileData?: { fileUri: string; mimeType?: string };
  mediaResolution?: { level: string };
  functionCall?: { name: string; args: JsonObject };
  functionResponse?: GeminiFunctionResponse;
};

export interface GeminiContent {
  readonly role: 'user' | 'model';
  readonly parts: GeminiPart[];
}

/** One part of an answer; every field may be missing. */
export interface AnswerPart {
  readonly text?: string;
  readonly thought?: boolean;
  readonly thoughtSignature?: string;
  readonly functionCall?: { readonly id?: string; readonly name?: string; readonly args?: unknown };
  readonly inlineData?: { readonly mimeType?: string; readonly data?: string };
  readonly executableCode?: { readonly language?: string; readonly code?: string };
  readonly codeExecutionResult?: { readonly outcome?: string; readonly output?: string };
}

export interface LogprobsCandidate {
  readonly token?: string;
  readonly logProbability?: number;
}

export interface LogprobsResult {
  readonly chosenCandidates?: readonly LogprobsCandidate[];
  readonly topCandidates?: readonly { readonly candidates?: readonly LogprobsCandidate[] }[];
}

export interface GroundingMetadata {
  readonly groundingChunks?: readonly { readonly web?: { readonly uri?: string; readonly title?: string } }[];
  readonly groundingSupports?: readonly {
    /** Offsets in bytes of UTF-8. */
    readonly segment?: {
      readonly partIndex?: number;
      readonly startIndex?: number;
      readonly endIndex?: number;
      readonly text?: string;
    };
    readonly groundingChunkIndices?: readonly number[];
  }[];
}

export interface AnswerCandidate {
  readonly index?: number;
  readonly content?: { readonly parts?: readonly AnswerPart[] };
  readonly finishReason?: string;
  readonly finishMessage?: string;
  readonly groundingMetadata?: GroundingMetadata;
  readonly logprobsResult?: LogprobsResult;
}

export interface ModalityTokens {
  readonly modality?: string;
  readonly tokenCount?: number;
}

export interface UsageMetadata {
  readonly promptTokenCount?: number;
  readonly toolUsePromptTokenCount?: number;
  readonly candidatesTokenCount?: number;
  readonly thoughtsTokenCount?: number;
  readonly cachedContentTokenCount?: number;
  readonly promptTokensDetails?: readonly ModalityTokens[];
  readonly candidatesTokensDetails?: readonly ModalityTokens[];
}

/** A whole answer, or one event of a streamed one. */
export interface GeminiAnswer {
  readonly candidates?: readonly AnswerCandidate[];
  readonly promptFeedback?: { readonly blockReason?: string };
  readonly usageMetadata?: UsageMetadata;
  readonly responseId?: string;
  readonly modelVersion?: string;
  readonly error?: unknown;
}
