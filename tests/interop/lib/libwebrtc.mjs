import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { EventQueue } from './event_queue.mjs';

const child = fileURLToPath(new URL('wrtc_child.mjs', import.meta.url));

class LibwebrtcPeer {
  #process;
  #calls = new Map();
  #next = 0;

  constructor() {
    this.events = new EventQueue('libwebrtc');
    this.#process = fork(child, { serialization: 'advanced' });
    this.#process.on('message', ({ event, call, result, failure }) => {
      if (process.env.VERBOSE) console.error('libwebrtc >', JSON.stringify(event ?? result));
      if (event) return this.events.push(event);
      const { resolve, reject } = this.#calls.get(call);
      this.#calls.delete(call);
      return failure ? reject(new Error(`libwebrtc: ${failure}`)) : resolve(result);
    });
    this.#process.on('exit', (code, signal) => {
      const reason = `libwebrtc ended (${signal ?? code})`;
      this.events.end(reason);
      for (const { reject } of this.#calls.values()) reject(new Error(reason));
    });
  }

  command(command) {
    const call = ++this.#next;
    this.#process.send({ call, command });
    return new Promise((resolve, reject) => this.#calls.set(call, { resolve, reject }));
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

// libwebrtc in Node through @roamhq/wrtc.
export async function startLibwebrtc() {
  return {
    name: 'libwebrtc',
    async makePeer() {
      const peer = new LibwebrtcPeer();
      await peer.events.wait({ event: 'ready' });
      return peer;
    },
    async stop() {},
  };
}
