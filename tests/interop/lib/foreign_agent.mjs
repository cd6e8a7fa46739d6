// A mesh peer on nothing but RTCPeerConnection, as the 0.4 series speaks: runs unchanged in a
// browser page and in Node. The newcomer offers; candidates are trickled.
import { makeBinary, makeText, sha256, toBytes } from './content.mjs';

export class ForeignAgent {
  #environment;
  #report;
  #socket;
  #id;
  #links = new Map();
  #signals = Promise.resolve();

  // `environment` holds RTCPeerConnection and WebSocket; `report` takes one event at a time.
  constructor(environment, report) {
    this.#environment = environment;
    this.#report = report;
  }

  // One command as the test writes it; the answer is what the command returns.
  async command({ cmd, ...fields }) {
    return this[cmd](fields);
  }

  join({ url, token, self }) {
    this.#id = self;
    const socket = new this.#environment.WebSocket(`${url}?token=${encodeURIComponent(token)}`);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.#signals = this.#signals.then(() => this.#handleSignal(JSON.parse(data)))
        .catch((error) => this.#report({ event: 'error', message: String(error) }));
    };
    socket.onclose = ({ code }) => this.#report({ event: 'left', code });
    return new Promise((resolve, reject) => {
      socket.onerror = () => reject(new Error('the registry refused the WebSocket'));
      socket.onopen = () => {
        this.#signal('register', undefined, {});
        resolve();
      };
    });
  }

  leave() {
    for (const peer of [...this.#links.keys()]) this.close({ peer });
    this.#socket.close();
  }

  async offer({ peer }) {
    const link = this.#makeLink(peer);
    this.#adopt(peer, link, link.connection.createDataChannel('mesh'));
    await link.connection.setLocalDescription(await link.connection.createOffer());
    this.#signal('offer', peer, { sdp: link.connection.localDescription.sdp });
  }

  open_channel({ peer, label, ...options }) {
    const link = this.#link(peer);
    this.#adopt(peer, link, link.connection.createDataChannel(label, options));
  }

  async send({ peer, label = 'mesh', kind, size, seed, count = 1 }) {
    const channel = this.#link(peer).channels.get(label);
    for (let index = 0; index < count; ++index) {
      const make = kind === 'text' ? makeText : makeBinary;
      const data = make(size, seed + index);
      channel.send(data);
      const digest = await sha256(toBytes(data));
      this.#report({ event: 'sent', peer, label, kind, size, sha256: digest });
    }
  }

  send_text({ peer, label = 'mesh', text }) {
    this.#link(peer).channels.get(label).send(text);
  }

  echo({ on }) {
    this.echoes = on;
  }

  close_channel({ peer, label }) {
    this.#link(peer).channels.get(label).close();
  }

  close({ peer }) {
    this.#link(peer).connection.close();
    this.#links.delete(peer);
  }

  // What the transport negotiated and which candidates it uses.
  async stats({ peer }) {
    const stats = [...(await this.#link(peer).connection.getStats()).values()];
    const transport = stats.find(({ type }) => type === 'transport');
    const pair = stats.find(({ id }) => id === transport?.selectedCandidatePairId);
    return {
      tlsVersion: transport?.tlsVersion,
      dtlsCipher: transport?.dtlsCipher,
      dtlsState: transport?.dtlsState,
      dtlsRole: transport?.dtlsRole,
      iceRole: transport?.iceRole,
      pairState: pair?.state,
      maxMessageSize: this.#link(peer).connection.sctp?.maxMessageSize,
    };
  }

  #link(peer) {
    const link = this.#links.get(peer);
    if (!link) throw new Error(`no link to ${peer}`);
    return link;
  }

  #makeLink(peer) {
    this.#links.get(peer)?.connection.close();
    const connection = new this.#environment.RTCPeerConnection();
    const link = { connection, channels: new Map(), digests: Promise.resolve() };
    this.#links.set(peer, link);
    connection.onicecandidate = ({ candidate }) => {
      this.#signal('ice_candidate', peer, {
        candidate: candidate?.candidate ?? '',
        sdpMid: candidate?.sdpMid ?? null,
        sdpMLineIndex: candidate?.sdpMLineIndex ?? null,
      });
    };
    connection.onconnectionstatechange = () =>
      this.#report({ event: 'state', peer, state: connection.connectionState });
    connection.ondatachannel = ({ channel }) => this.#adopt(peer, link, channel, true);
    return link;
  }

  #adopt(peer, link, channel, incoming = false) {
    const { label } = channel;
    link.channels.set(label, channel);
    channel.binaryType = 'arraybuffer';
    const reportOpen = () => this.#report({
      event: 'open', peer, label, incoming, protocol: channel.protocol, ordered: channel.ordered,
    });
    if (channel.readyState === 'open') reportOpen();
    else channel.onopen = reportOpen;
    channel.onclose = () => this.#report({ event: 'channel_closed', peer, label });
    channel.onmessage = ({ data }) => {
      if (this.echoes) channel.send(data);
      // Digests are asynchronous; one after the other keeps the order of arrival.
      link.digests = link.digests.then(() => this.#reportMessage(peer, label, data));
    };
  }

  async #reportMessage(peer, label, data) {
    const bytes = toBytes(data);
    const kind = typeof data === 'string' ? 'text' : 'binary';
    const text = kind === 'text' && bytes.length <= 4096 ? data : undefined;
    const digest = await sha256(bytes);
    this.#report({ event: 'message', peer, label, kind, size: bytes.length, sha256: digest, text });
  }

  #signal(type, target, payload) {
    this.#socket.send(JSON.stringify({ type, peer_id: this.#id, target_id: target, payload }));
  }

  async #handleSignal({ type, peer_id: peer, payload }) {
    if (type === 'peer_list') {
      this.#report({ event: 'joined', peers: payload.peers });
      for (const other of payload.peers) await this.offer({ peer: other });
    } else if (type === 'offer') {
      const { connection } = this.#makeLink(peer);
      await connection.setRemoteDescription({ type: 'offer', sdp: payload.sdp });
      await connection.setLocalDescription(await connection.createAnswer());
      this.#signal('answer', peer, { sdp: connection.localDescription.sdp });
    } else if (type === 'answer') {
      await this.#link(peer).connection.setRemoteDescription({ type: 'answer', sdp: payload.sdp });
    } else if (type === 'ice_candidate' && payload.candidate) {
      await this.#links.get(peer)?.connection.addIceCandidate(payload);
    }
  }
}
