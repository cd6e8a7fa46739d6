// The real sidecar with the test as its agent: JSON lines over its Unix socket.
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventQueue } from './event_queue.mjs';
import { JsonProcess } from './json_process.mjs';
import { programs } from './programs.mjs';

export function sidecarEnvironment({ registry, peer, address, socket }) {
  return {
    SIGNALING_URL: registry.signalingUrl,
    TOKEN_URL: registry.tokenUrl,
    API_KEY: registry.key(peer),
    IPC_SOCKET: socket,
    CHATIXIA_ICE_ADDRESSES: address,
  };
}

export class Sidecar {
  static async start({ registry, peer, address }) {
    const sidecar = new Sidecar();
    sidecar.directory = await mkdtemp(path.join(tmpdir(), 'chatixia-sidecar-'));
    const socket = path.join(sidecar.directory, 'ipc.sock');
    sidecar.events = new EventQueue(`agent of ${peer}`);
    sidecar.process = new JsonProcess(`sidecar ${peer}`, programs.sidecar, [],
      { env: sidecarEnvironment({ registry, peer, address, socket }) });
    sidecar.process.exited.then(() => sidecar.events.end(`sidecar ${peer} ended: ` +
      sidecar.process.stderr.trim().split('\n').slice(-5).join('\n')));
    sidecar.connection = await connect(socket, sidecar.process);
    sidecar.#readLines();
    return sidecar;
  }

  #readLines() {
    let pieces = [];
    this.connection.on('data', (data) => {
      let start = 0;
      for (let end; (end = data.indexOf(10, start)) >= 0; start = end + 1) {
        pieces.push(data.subarray(start, end));
        this.#handleLine(Buffer.concat(pieces).toString());
        pieces = [];
      }
      pieces.push(data.subarray(start));
    });
    this.connection.on('error', () => {});
    this.connection.on('close', () => this.events.end('the IPC connection is closed'));
  }

  // An event becomes one flat object; a message also keeps its line, bytes as they came.
  #handleLine(line) {
    const { type, id, payload } = JSON.parse(line);
    if (process.env.VERBOSE) console.error('agent >', line.slice(0, 300));
    if (type === 'message') {
      const { from_peer: from, message } = payload;
      this.events.push({ type, from, message, inner: message.type, line });
    } else {
      this.events.push({ type, id, ...payload });
    }
  }

  // The socket is there before the registry has been reached.
  async joined() {
    for (let attempt = 0; attempt < 100; ++attempt) {
      this.write('{"type":"status","id":"joined?","payload":{}}');
      const { registry } = await this.events.wait({ type: 'status', id: 'joined?' });
      if (registry.connected) return;
      await sleep(50);
    }
    throw new Error('the sidecar did not join within 5 s');
  }

  // Writes one command line as it is.
  write(line) {
    this.connection.write(`${line}\n`);
  }

  // `text` is the mesh message as JSON text; it must arrive as it is.
  send(peer, text, id = undefined) {
    const target = JSON.stringify(peer);
    const name = id === undefined ? '' : `"id":${JSON.stringify(id)},`;
    this.write(`{"type":"send",${name}"payload":{"target_peer":${target},"message":${text}}}`);
  }

  async stop() {
    const code = await this.process.stop();
    this.connection.destroy();
    await rm(this.directory, { recursive: true, force: true });
    return code;
  }
}

async function connect(socket, process) {
  for (let attempt = 0; ; ++attempt) {
    try {
      return await new Promise((resolve, reject) => {
        const connection = createConnection(socket);
        connection.once('connect', () => resolve(connection));
        connection.once('error', reject);
      });
    } catch (error) {
      if (attempt === 50 || process.child.exitCode !== null) throw error;
      await sleep(100);
    }
  }
}
