import { type Delta, isJsonObject } from '../../../core/api/index.js';

/** Citations of a text block as annotations; only those that name a place in the web can be one. */
export function* annotationsOf(citations: readonly unknown[], startIndex: number, endIndex: number): Iterable<Delta> {
  for (const citation of citations) {
    if (!isJsonObject(citation) || citation.type !== 'web_search_result_location' || typeof citation.url !== 'string')
      continue;
    const title = typeof citation.title === 'string' ? citation.title : '';
    yield { kind: 'annotation', choice: 0, annotation: { url: citation.url, title, startIndex, endIndex } };
  }
}
