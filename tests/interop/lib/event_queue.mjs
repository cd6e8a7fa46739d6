function isLike(event, pattern) {
  return Object.entries(pattern).every(([key, value]) => event[key] === value);
}

// What a peer has reported and nobody has asked for yet. A wait that fails says what came instead.
export class EventQueue {
  #name;
  #events = [];
  #waiters = [];
  #ended = null;

  constructor(name) {
    this.#name = name;
  }

  push(event) {
    const index = this.#waiters.findIndex((waiter) => waiter.matches(event));
    if (index < 0) {
      this.#events.push(event);
      return;
    }
    const [waiter] = this.#waiters.splice(index, 1);
    waiter.settle(event);
  }

  // Nothing more will come: every wait under way or yet to come fails with `reason`.
  end(reason) {
    this.#ended ??= reason;
    for (const waiter of this.#waiters.splice(0)) waiter.refuse(reason);
  }

  // The first event that has all fields of `pattern`; it is taken out of the queue.
  wait(pattern, { within = 15_000 } = {}) {
    const matches = (event) => isLike(event, pattern);
    const index = this.#events.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.#events.splice(index, 1)[0]);
    return new Promise((resolve, reject) => {
      const refuse = (reason) => {
        clearTimeout(timer);
        const seen = this.#events.slice(-8).map((event) => JSON.stringify(event).slice(0, 200));
        reject(new Error(`${this.#name}: ${reason}; waited for ${JSON.stringify(pattern)}, ` +
          `unclaimed: ${seen.join(' ') || 'nothing'}`));
      };
      const waiter = {
        matches,
        refuse,
        settle: (event) => {
          clearTimeout(timer);
          resolve(event);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        refuse(`nothing within ${within} ms`);
      }, within);
      if (this.#ended) refuse(this.#ended);
      else this.#waiters.push(waiter);
    });
  }

  // The next `count` events that match, in the order they came.
  async take(count, pattern, options) {
    const events = [];
    while (events.length < count) events.push(await this.wait(pattern, options));
    return events;
  }
}
