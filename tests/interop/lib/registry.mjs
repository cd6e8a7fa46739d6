// The real registry on a port of its own, with a key for every peer of the test.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { JsonProcess } from './json_process.mjs';
import { programs } from './programs.mjs';

export class Registry {
  #process;
  #stateDir;
  #keys = new Map();

  static async start({ listen, peers }) {
    const registry = new Registry();
    registry.#stateDir = await mkdtemp(path.join(tmpdir(), 'chatixia-registry-'));
    for (const peer of peers) registry.#keys.set(peer, await registry.#addKey(peer));
    registry.#process = new JsonProcess('registry', programs.registry,
      [`--listen=${listen}`, '--port=0', `--state-dir=${registry.#stateDir}`, '--json']);
    const { url } = await registry.#process.events.wait({ event: 'listening' });
    registry.url = url.replace(/\/$/, '');
    registry.signalingUrl = `${registry.url.replace(/^http/, 'ws')}/ws`;
    registry.tokenUrl = `${registry.url}/api/token`;
    return registry;
  }

  async #addKey(peer) {
    const { stdout } = await promisify(execFile)(programs.registry,
      ['key', 'add', peer, `--state-dir=${this.#stateDir}`]);
    const key = stdout.match(/ak_\w+/)?.[0];
    if (!key) throw new Error(`no key in the output of "key add ${peer}": ${stdout}`);
    return key;
  }

  get pid() {
    return this.#process.child.pid;
  }

  key(peer) {
    return this.#keys.get(peer);
  }

  async token(peer) {
    const response = await fetch(this.tokenUrl,
      { method: 'POST', headers: { 'X-API-Key': this.key(peer) } });
    if (!response.ok) throw new Error(`token for ${peer}: HTTP ${response.status}`);
    return (await response.json()).token;
  }

  async stop() {
    await this.#process?.stop();
    await rm(this.#stateDir, { recursive: true, force: true });
  }
}
