/** What the requests in flight on one worker show of it; kept by their holds. All counts return to zero with them. */
export class RequestProgress {
  /** A piece of an answer has come since this was last set to false. */
  moved = false;
  /** Somebody wants to know of the next piece at once. */
  awaited = false;
  /** Prompt tokens, estimated, of requests of which no piece has come yet. */
  pendingPromptTokens = 0;
  /** Streamed requests whose answer is being read: the engine owes them tokens all the time. */
  expecting = 0;
}
