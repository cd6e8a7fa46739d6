// A foreign data-channel stack between two processes, measured as bench/path/rtc_bench measures
// ours: node raw.mjs libwebrtc|libdatachannel setup|ping|stream|memory
//   [--count=N] [--size=B] [--seconds=S]
// Prints one line of JSON.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { highWater, percentiles, processorSeconds, tagged, tags } from './figures.mjs';

const { positionals: [stack, figure], values } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' }, size: { type: 'string' }, seconds: { type: 'string' } },
});
const count = Number(values.count ?? 50);
const size = Number(values.size ?? 256);
const seconds = Number(values.seconds ?? 2);

const { Link } = await import(`./${stack}.mjs`);
const callee = fork(fileURLToPath(new URL('callee.mjs', import.meta.url)), [stack]);
const links = new Map();

callee.on('message', async ({ number, opened, received, memory, failed, ...signal }) => {
  const entry = links.get(number);
  if (opened) entry.halfOpen();
  else if (received) entry.received(received);
  else if (memory) entry.memory(memory);
  else if (failed) entry?.connect();
  else await entry?.link.handle(signal);
});

callee.on('exit', () => {
  console.error('the answering process has ended');
  process.exit(1);
});

// One connection to the answering process; `open` resolves when both sides have it open. One that
// fails is made again: libdatachannel refuses a certificate now and then that comes before the
// answer has been read. The time that this takes is the stack's.
class Connection {
  #number;
  #ends;
  #resolveOpen;

  constructor(number) {
    this.#number = number;
    this.open = new Promise((resolve) => { this.#resolveOpen = resolve; });
    links.set(number, this);
    this.connect();
  }

  connect() {
    if (this.link) this.#drop();
    this.#ends = 0;
    const link = new Link((message) => {
      if (link === this.link) callee.send({ number: this.#number, ...message });
    }, {
      open: () => this.halfOpen(),
      message: (data) => this.onMessage?.(data),
      failed: () => {
        if (link === this.link) this.connect();
      },
    });
    this.link = link;
    link.call();
  }

  halfOpen() {
    if (++this.#ends === 2) this.#resolveOpen();
  }

  close() {
    this.#drop();
    links.delete(this.#number);
  }

  calleeMemory() {
    callee.send({ number: this.#number, memory: true });
    return new Promise((resolve) => { this.memory = resolve; });
  }

  #drop() {
    this.link.close();
    callee.send({ number: this.#number, close: true });
  }
}

async function measureSetup() {
  const milliseconds = [];
  for (let number = 0; number <= count; ++number) {
    const began = performance.now();
    const connection = new Connection(number);
    await connection.open;
    if (number > 0) milliseconds.push(performance.now() - began);
    connection.close();
    await new Promise(setImmediate);
  }
  return percentiles(milliseconds);
}

async function measurePing() {
  const entry = new Connection(0);
  await entry.open;
  const message = tagged(tags.ping, size);
  const microseconds = [];
  let remaining = count + Math.floor(count / 20);
  let sent;
  const send = () => {
    sent = performance.now();
    entry.link.send(message);
  };
  await new Promise((resolve) => {
    entry.onMessage = () => {
      if (--remaining < count) microseconds.push((performance.now() - sent) * 1e3);
      if (remaining > 0) send();
      else resolve();
    };
    send();
  });
  return percentiles(microseconds);
}

// As many messages as the buffer takes, for a time; the receiver counts, after a warm-up.
async function measureStream() {
  // Asking for the buffered amount blocks in some stacks: ask once for so many messages.
  const burst = Math.max(1, Math.min(64, Math.floor((256 * 1024) / size)));
  const data = tagged(tags.data, size);
  const entry = new Connection(0);
  await entry.open;
  const streamFor = async (duration) => {
    const end = performance.now() + duration * 1e3;
    while (performance.now() < end) {
      for (let index = 0; index < burst; ++index) entry.link.send(data);
      if (entry.link.buffered >= highWater) await entry.link.whenWritable();
    }
  };
  await streamFor(seconds / 4);
  const began = processorSeconds();
  entry.link.send(tagged(tags.begin, 1));
  await streamFor(seconds);
  const received = await new Promise((resolve) => {
    entry.received = resolve;
    entry.link.send(tagged(tags.end, 1));
  });
  return {
    messages_per_s: received.messages / received.seconds,
    mb_per_s: received.bytes / received.seconds / 1e6,
    cpu_s_per_gb: ((received.processor + processorSeconds() - began) / received.bytes) * 1e9,
  };
}

// Resident memory of both processes before and after further connections, each of which has
// carried one message each way.
async function measureMemory() {
  let before;
  let entry;
  for (let number = 0; number <= count; ++number) {
    entry = new Connection(number);
    await entry.open;
    const echoed = new Promise((resolve) => { entry.onMessage = resolve; });
    entry.link.send(tagged(tags.ping, 256));
    await echoed;
    if (number === 0) before = process.memoryUsage.rss() + await entry.calleeMemory();
  }
  const after = process.memoryUsage.rss() + await entry.calleeMemory();
  return { kib_per_connection: (after - before) / 2 / count / 1024 };
}

const figures = {
  setup: measureSetup, ping: measurePing, stream: measureStream, memory: measureMemory,
};
console.log(JSON.stringify(await figures[figure]()));
// The stacks' threads need no farewell, and some of them do not survive one.
process.exit(0);
