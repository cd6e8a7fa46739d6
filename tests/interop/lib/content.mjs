// Message contents that a seed can repeat. Text holds characters of one to four bytes.
const letters = ['a', 'b', 'c', ' ', '"', '\\', '\n', 'é', 'ß', '漢', '€', '🙂'];
const encoder = new TextEncoder();

function generator(seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

// A string of exactly `size` bytes of UTF-8.
export function makeText(size, seed) {
  const next = generator(seed);
  const parts = [];
  let left = size;
  while (left > 0) {
    const letter = letters[next() % letters.length];
    const bytes = encoder.encode(letter).length;
    parts.push(bytes <= left ? letter : 'z');
    left -= bytes <= left ? bytes : 1;
  }
  return parts.join('');
}

export function makeBinary(size, seed) {
  const next = generator(seed);
  return Uint8Array.from({ length: size }, () => next() & 0xff);
}

// Node.js 18 has it in a module; browsers and later ones have it everywhere.
const { subtle } = globalThis.crypto ?? (await import('node:crypto')).webcrypto;

export async function sha256(bytes) {
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function toBytes(data) {
  return typeof data === 'string' ? encoder.encode(data) : new Uint8Array(data);
}
