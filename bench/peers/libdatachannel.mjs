// libdatachannel (with libjuice) through node-datachannel.
import { PeerConnection } from 'node-datachannel';
import { lowWater } from './figures.mjs';

export class Link {
  #connection = new PeerConnection('bench', { iceServers: [] });
  #channel;
  #handlers;
  #described = false;
  #early = [];
  #wake = () => {};

  // `signal` takes messages for the other side; `handlers`: open, message(Uint8Array), failed.
  constructor(signal, handlers) {
    this.#handlers = handlers;
    this.#connection.onLocalDescription((sdp, type) => signal({ [type]: sdp }));
    this.#connection.onLocalCandidate((candidate, mid) => signal({ candidate, mid }));
    this.#connection.onStateChange((state) => {
      if (state === 'failed') handlers.failed();
    });
    this.#connection.onDataChannel((channel) => this.#adopt(channel));
  }

  call() {
    this.#adopt(this.#connection.createDataChannel('bench'));
  }

  handle({ offer, answer, candidate, mid }) {
    if (candidate && !this.#described) {
      this.#early.push({ candidate, mid });
    } else if (candidate) {
      this.#addCandidate(candidate, mid);
    } else if (offer ?? answer) {
      this.#connection.setRemoteDescription(offer ?? answer, offer ? 'offer' : 'answer');
      this.#described = true;
      for (const early of this.#early.splice(0)) this.handle(early);
    }
  }

  #addCandidate(candidate, mid) {
    try {
      this.#connection.addRemoteCandidate(candidate, mid);
    } catch {
      // The connection has failed natively, and `failed` is still on its way to us.
    }
  }

  send(bytes) {
    this.#channel.sendMessageBinary(bytes);
  }

  get buffered() {
    return this.#channel.bufferedAmount();
  }

  async whenWritable() {
    if (this.buffered > lowWater) await new Promise((resolve) => { this.#wake = resolve; });
  }

  close() {
    this.#connection.close();
  }

  #adopt(channel) {
    this.#channel = channel;
    channel.setBufferedAmountLowThreshold(lowWater);
    channel.onBufferedAmountLow(() => this.#wake());
    channel.onMessage((data) => this.#handlers.message(new Uint8Array(data.buffer ?? data,
      data.byteOffset ?? 0, data.byteLength)));
    let opened = false;
    const open = () => {
      if (!opened) this.#handlers.open();
      opened = true;
    };
    channel.onOpen(open);
    if (channel.isOpen()) open();
  }
}
