// The process that answers: echoes pings, counts data between `begin` and `end`, tells its memory.
import { processorSeconds, tags } from './figures.mjs';

const { Link } = await import(`./${process.argv[2]}.mjs`);
const links = new Map();
let messages = 0;
let bytes = 0;
let began = 0;
let processorBegan = 0;

function tell(number, message) {
  if (process.connected) process.send({ number, ...message });
}

function handleMessage(number, data) {
  switch (data[0]) {
    case tags.ping:
      links.get(number).send(data);
      break;
    case tags.data:
      messages += 1;
      bytes += data.length;
      break;
    case tags.begin:
      messages = bytes = 0;
      began = performance.now();
      processorBegan = processorSeconds();
      break;
    case tags.end:
      tell(number, {
        received: {
          messages,
          bytes,
          seconds: (performance.now() - began) / 1e3,
          processor: processorSeconds() - processorBegan,
        },
      });
      break;
  }
}

process.on('message', async ({ number, memory, close, ...signal }) => {
  if (memory) {
    tell(number, { memory: process.memoryUsage.rss() });
  } else if (close) {
    links.get(number)?.close();
    links.delete(number);
  } else {
    if (!links.has(number)) {
      links.set(number, new Link((message) => tell(number, message), {
        open: () => tell(number, { opened: true }),
        message: (data) => handleMessage(number, data),
        failed: () => tell(number, { failed: true }),
      }));
    }
    await links.get(number).handle(signal);
  }
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
