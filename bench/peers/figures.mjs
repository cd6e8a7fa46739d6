// What the first byte of a message asks of the process that receives it.
export const tags = { ping: 0x70, data: 0x64, begin: 0x62, end: 0x65 };

// What may wait in a send buffer: filled up to the one, and again from the other.
export const highWater = 1024 * 1024;
export const lowWater = 256 * 1024;

export function tagged(tag, size) {
  const message = Buffer.alloc(size, 'x');
  message[0] = tag;
  return message;
}

export function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function percentiles(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (fraction) => sorted[Math.floor(fraction * (sorted.length - 1))];
  return { p50: at(0.5), p99: at(0.99) };
}
