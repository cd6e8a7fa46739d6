// libwebrtc through @roamhq/wrtc.
import { setTimeout as sleep } from 'node:timers/promises';
import wrtc from '@roamhq/wrtc';
import { lowWater } from './figures.mjs';

export class Link {
  #connection = new wrtc.RTCPeerConnection();
  #channel;
  #signal;
  #handlers;
  #early = [];

  // `signal` takes messages for the other side; `handlers`: open, message(Uint8Array), failed.
  constructor(signal, handlers) {
    this.#signal = signal;
    this.#handlers = handlers;
    this.#connection.onicecandidate = ({ candidate }) => {
      if (candidate) signal({ candidate: { ...candidate.toJSON?.() ?? candidate } });
    };
    this.#connection.onconnectionstatechange = () => {
      if (this.#connection.connectionState === 'failed') handlers.failed();
    };
    this.#connection.ondatachannel = ({ channel }) => this.#adopt(channel);
  }

  async call() {
    this.#adopt(this.#connection.createDataChannel('bench'));
    await this.#connection.setLocalDescription(await this.#connection.createOffer());
    this.#signal({ offer: this.#connection.localDescription.sdp });
  }

  async handle({ offer, answer, candidate }) {
    if (offer) {
      await this.#connection.setRemoteDescription({ type: 'offer', sdp: offer });
      await this.#connection.setLocalDescription(await this.#connection.createAnswer());
      this.#signal({ answer: this.#connection.localDescription.sdp });
    } else if (answer) {
      await this.#connection.setRemoteDescription({ type: 'answer', sdp: answer });
    } else if (candidate && !this.#connection.remoteDescription) {
      this.#early.push(candidate);
    } else if (candidate) {
      await this.#connection.addIceCandidate(candidate);
    }
    if (this.#connection.remoteDescription)
      for (const early of this.#early.splice(0)) await this.#connection.addIceCandidate(early);
  }

  send(bytes) {
    this.#channel.send(bytes);
  }

  get buffered() {
    return this.#channel.bufferedAmount;
  }

  // The binding's bufferedamountlow event does not come reliably; a millisecond is short against
  // what the buffer holds.
  async whenWritable() {
    while (this.buffered > lowWater) await sleep(1);
  }

  close() {
    this.#connection.close();
  }

  #adopt(channel) {
    this.#channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => this.#handlers.message(new Uint8Array(data));
    if (channel.readyState === 'open') this.#handlers.open();
    else channel.onopen = () => this.#handlers.open();
  }
}
