// Our rtc stack behind the same commands and events as the foreign peers.
import { JsonProcess } from './json_process.mjs';
import { programs } from './programs.mjs';

export class OurPeer {
  #process;

  constructor(address) {
    this.address = address;
    this.#process = new JsonProcess('interop_peer', programs.interopPeer, []);
    this.events = this.#process.events;
  }

  async command(command) {
    this.#process.send(command.cmd === 'join' ? { ...command, address: this.address } : command);
  }

  async stop() {
    await this.#process.stop();
  }
}
