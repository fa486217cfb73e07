/** Whether a text is meant by a list of patterns. */
export type TextTest = (text: string) => boolean;

/**
 * One pattern: `*` stands for any text, everything else for itself. Searches its pieces from left to right, so a client's
 * text of any length costs one pass.
 */
export function compileGlob(pattern: string): TextTest {
  const pieces = pattern.split('*');
  const first = pieces[0] as string;
  if (pieces.length === 1) return (text) => text === first;
  const last = pieces.at(-1) as string;
  const middle = pieces.slice(1, -1).filter((piece) => piece !== '');
  const outerLength = first.length + last.length;
  return (text) => {
    if (text.length < outerLength || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const piece of middle) {
      const found = text.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at <= text.length - last.length;
  };
}

/** A list: one of its patterns is enough; one with `!` in front excludes. Exclusions alone leave all the rest in. */
export function compilePatterns(patterns: readonly string[]): TextTest {
  const excluded = patterns
    .filter((pattern) => pattern.startsWith('!'))
    .map((pattern) => compileGlob(pattern.slice(1)));
  const included = patterns.filter((pattern) => !pattern.startsWith('!')).map(compileGlob);
  return (text) => {
    for (const test of excluded) if (test(text)) return false;
    if (included.length === 0) return true;
    for (const test of included) if (test(text)) return true;
    return false;
  };
}
