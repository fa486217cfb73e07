/** What a {@link DueHeap} orders: earlier `dueMs` first, equal ones by `sequence`. Owned by the heap while inside. */
export interface DueEntry {
  dueMs: number;
  readonly sequence: number;
  /** Place in the heap, −1 while outside. Written by the heap only. */
  heapIndex: number;
}

/** Binary heap that can also remove from the middle, all in O(log n). */
export class DueHeap<Entry extends DueEntry> {
  readonly #entries: Entry[] = [];

  /** Earliest entry, left in place. */
  peek(): Entry | undefined {
    return this.#entries[0];
  }

  /** Adds an entry that is in no heap. */
  push(entry: Entry): void {
    this.#entries.push(entry);
    entry.heapIndex = this.#entries.length - 1;
    this.#siftUp(entry);
  }

  /** Takes an entry out; does nothing when it is not inside. */
  remove(entry: Entry): void {
    const index = entry.heapIndex;
    if (index < 0) return;
    const last = this.#entries.pop() as Entry;
    entry.heapIndex = -1;
    if (last === entry) return;
    this.#place(last, index);
    this.#siftDown(last);
    this.#siftUp(last);
  }

  #place(entry: Entry, index: number): void {
    this.#entries[index] = entry;
    entry.heapIndex = index;
  }

  #siftUp(entry: Entry): void {
    let index = entry.heapIndex;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#entries[parentIndex] as Entry;
      if (!isBefore(entry, parent)) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(entry, index);
  }

  #siftDown(entry: Entry): void {
    const entries = this.#entries;
    let index = entry.heapIndex;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= entries.length) break;
      let child = entries[childIndex] as Entry;
      const right = entries[childIndex + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex += 1;
      }
      if (!isBefore(child, entry)) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(entry, index);
  }
}

function isBefore(a: DueEntry, b: DueEntry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}
