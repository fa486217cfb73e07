import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GroundedText } from './grounding.js';

const CHUNKS = [{ web: { uri: 'https://a.test', title: 'A' } }, { web: { uri: 'https://b.test' } }, {}];

describe('sources of an answer', () => {
  it('are named by UTF-16 offsets, whatever is in the text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀'), maxLength: 8 }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.nat(),
        fc.nat(),
        (texts, a, b) => {
          const characters = [...texts.join('')];
          const [from, to] = [a % (characters.length + 1), b % (characters.length + 1)].sort((x, y) => x - y) as [
            number,
            number,
          ];
          const grounded = new GroundedText();
          let start = 0;
          for (const text of texts) {
            grounded.addText(start, text, undefined);
            start += text.length;
          }
          const bytes = (count: number): number => Buffer.byteLength(characters.slice(0, count).join(''));
          const segment = { startIndex: bytes(from), endIndex: bytes(to) };
          grounded.addMetadata({
            groundingChunks: CHUNKS,
            groundingSupports: [{ segment, groundingChunkIndices: [0] }],
          });
          const [citation] = grounded.citations();
          if (from === to) assert.equal(citation, undefined);
          else {
            const quoted = texts.join('').slice(citation?.startIndex, citation?.endIndex);
            assert.equal(quoted, characters.slice(from, to).join(''));
          }
        },
      ),
    );
  });

  it('count from their part, and skip what stands between', () => {
    const grounded = new GroundedText();
    grounded.addText(0, 'one ', 1);
    grounded.addText(10, 'two', 3);
    grounded.addMetadata({
      groundingChunks: CHUNKS,
      groundingSupports: [
        { segment: { partIndex: 3, startIndex: 0, endIndex: 3, text: 'two' }, groundingChunkIndices: [1, 2, 9] },
        { segment: { endIndex: 3, text: 'one' }, groundingChunkIndices: [0] },
        { groundingChunkIndices: [0] },
      ],
    });
    assert.deepEqual(grounded.citations(), [
      { url: 'https://b.test', title: 'https://b.test', startIndex: 10, endIndex: 13 },
      { url: 'https://a.test', title: 'A', startIndex: 0, endIndex: 3 },
    ]);
  });

  it('are found by their quotation where the offsets are off', () => {
    const grounded = new GroundedText();
    grounded.addText(0, 'The sky is blue.', undefined);
    grounded.addMetadata({
      groundingChunks: CHUNKS,
      groundingSupports: [{ segment: { startIndex: 900, endIndex: 903, text: 'sky' }, groundingChunkIndices: [0] }],
    });
    assert.deepEqual(grounded.citations()[0], { url: 'https://a.test', title: 'A', startIndex: 4, endIndex: 7 });
  });

  it('are those of the last list that names passages', () => {
    const grounded = new GroundedText();
    grounded.addText(0, 'ab', undefined);
    const support = (endIndex: number) => [{ segment: { endIndex }, groundingChunkIndices: [0] }];
    grounded.addMetadata({ groundingChunks: CHUNKS, groundingSupports: support(1) });
    grounded.addMetadata({ groundingChunks: CHUNKS, groundingSupports: support(2) });
    grounded.addMetadata({ groundingChunks: CHUNKS });
    assert.deepEqual(
      grounded.citations().map(({ endIndex }) => endIndex),
      [2],
    );
  });
});
