// Our rtc stack against a foreign one, data channel by data channel: every check in both roles.
import assert from 'node:assert/strict';
import test from 'node:test';
import { OurPeer } from './lib/our_peer.mjs';

const ourId = 'ours';
const foreignId = 'foreign';

// A peer of the test with its id and the id of the peer opposite.
function side(peer, self, other) {
  return {
    self,
    other,
    events: peer.events,
    command: (cmd, fields = {}) => peer.command({ cmd, self, peer: other, ...fields }),
    wait: (event, fields = {}, options = {}) =>
      peer.events.wait({ event, peer: other, ...fields }, options),
    take: (count, event, fields = {}, options = {}) =>
      peer.events.take(count, { event, peer: other, ...fields }, options),
  };
}

async function join(registry, peer) {
  const token = await registry.token(peer.self);
  await peer.command('join', { url: registry.signalingUrl, token });
  const { peers } = await peer.events.wait({ event: 'joined' });
  return peers;
}

const content = ({ kind, size, sha256 }) => ({ kind, size, sha256 });

// What `from` sends is what `to` receives: kind, size and digest of each message, in order.
async function expectDelivery(from, to, message) {
  const { count = 1, label = 'mesh' } = message;
  await from.command('send', { label, ...message });
  const sent = await from.take(count, 'sent', { label }, { within: 30_000 });
  const received = await to.take(count, 'message', { label }, { within: 30_000 });
  assert.deepEqual(received.map(content), sent.map(content));
  assert.equal(received[0].size, message.size);
}

async function expectOpen(offerer, answerer, label = 'mesh') {
  const [offered, answered] = await Promise.all([
    offerer.wait('open', { label }), answerer.wait('open', { label }),
  ]);
  assert.equal(offered.incoming, false);
  assert.equal(answered.incoming, true);
  return answered;
}

async function checkSizes(t, ours, theirs) {
  let seed = 1;
  for (const kind of ['text', 'binary']) {
    for (const size of [0, 1, 64 * 1024, 256 * 1024]) {
      await t.test(`${kind} of ${size} bytes from us`, () =>
        expectDelivery(ours, theirs, { kind, size, seed: ++seed }));
      await t.test(`${kind} of ${size} bytes from them`, () =>
        expectDelivery(theirs, ours, { kind, size, seed: ++seed }));
    }
  }
}

async function checkOrder(ours, theirs) {
  const burst = (kind, seed) => ({ kind, size: 300, seed, count: 1000 });
  await Promise.all([
    expectDelivery(ours, theirs, burst('text', 10_000)),
    expectDelivery(theirs, ours, burst('text', 20_000)),
  ]);
}

async function checkEcho(ours, theirs) {
  for (const [caller, echoer] of [[ours, theirs], [theirs, ours]]) {
    await echoer.command('echo', { on: true });
    await caller.command('send', { kind: 'binary', size: 50_000, seed: 7 });
    const sent = await caller.wait('sent');
    assert.deepEqual(content(await caller.wait('message')), content(sent));
    assert.deepEqual(content(await echoer.wait('message')), content(sent));
    await echoer.command('echo', { on: false });
  }
}

async function checkChannels(ours, theirs) {
  for (const [opener, acceptor] of [[ours, theirs], [theirs, ours]]) {
    const label = `extra ß from ${opener.self}`;
    await opener.command('open_channel', { label, protocol: 'chat/1', ordered: false });
    const accepted = await expectOpen(opener, acceptor, label);
    assert.equal(accepted.protocol, 'chat/1');
    assert.equal(accepted.ordered, false);
    await expectDelivery(opener, acceptor, { label, kind: 'text', size: 20, seed: 1 });
    await expectDelivery(acceptor, opener, { label, kind: 'text', size: 20, seed: 2 });
  }
}

// Closing a channel closes it on both sides and leaves the others; its label can be used again.
async function checkChannelClose(ours, theirs) {
  for (const [closer, other] of [[ours, theirs], [theirs, ours]]) {
    const label = `closed by ${closer.self}`;
    for (const seed of [1, 2]) {
      await closer.command('open_channel', { label });
      await expectOpen(closer, other, label);
      await expectDelivery(other, closer, { label, kind: 'text', size: 100, seed });
      await closer.command('close_channel', { label });
      await Promise.all([
        closer.wait('channel_closed', { label }), other.wait('channel_closed', { label }),
      ]);
    }
    await expectDelivery(other, closer, { kind: 'text', size: 10, seed: 3 });
  }
}

// Whoever closes the connection, the other side hears of it at once, and a new one can be made.
async function checkReopen(ours, theirs) {
  await theirs.command('close');
  await ours.wait('closed', {}, { within: 5_000 });
  await theirs.command('offer');
  await expectOpen(theirs, ours);
  await expectDelivery(ours, theirs, { kind: 'text', size: 1000, seed: 1 });

  await ours.command('close');
  await theirs.wait('channel_closed', { label: 'mesh' }, { within: 5_000 });
  await ours.command('offer');
  await expectOpen(ours, theirs);
  await expectDelivery(theirs, ours, { kind: 'text', size: 1000, seed: 2 });
}

// We speak DTLS 1.2 and nothing else, also with peers that prefer 1.3: version 0xFEFD on the wire.
async function checkTransport(theirs, role) {
  const stats = await theirs.command('stats');
  assert.equal(stats.tlsVersion, 'FEFD');
  assert.equal(stats.dtlsState, 'connected');
  assert.equal(stats.iceRole, role === 'they offer' ? 'controlling' : 'controlled');
  assert.equal(stats.maxMessageSize, 256 * 1024);
}

async function runRole(t, role, { registry, foreign, address }) {
  const ourPeer = new OurPeer(address);
  const foreignPeer = await foreign.makePeer();
  try {
    const ours = side(ourPeer, ourId, foreignId);
    const theirs = side(foreignPeer, foreignId, ourId);
    const [first, newcomer] = role === 'they offer' ? [ours, theirs] : [theirs, ours];

    let isOpen = false;
    await t.test('opens', async () => {
      assert.deepEqual(await join(registry, first), []);
      assert.deepEqual(await join(registry, newcomer), [first.self]);
      const answered = await expectOpen(newcomer, first);
      assert.equal(answered.ordered, true);
      assert.equal(answered.protocol, '');
      isOpen = true;
    });
    if (!isOpen) return;

    await t.test('DTLS 1.2, roles and the message limit are as agreed', () =>
      checkTransport(theirs, role));
    await checkSizes(t, ours, theirs);
    await t.test('1,000 messages each way at once stay in order', () => checkOrder(ours, theirs));
    await t.test('echo returns what came', () => checkEcho(ours, theirs));
    await t.test('further channels open from either side', () => checkChannels(ours, theirs));
    await t.test('a channel closes from either side and its label opens again', () =>
      checkChannelClose(ours, theirs));
    await t.test('the connection closes from either side and opens again', () =>
      checkReopen(ours, theirs));
  } finally {
    await Promise.all([ourPeer.stop(), foreignPeer.stop()]);
  }
}

export function channelSuite(context) {
  for (const role of ['they offer', 'we offer'])
    test(`data channels, ${role}`, (t) => runRole(t, role, context));
}
channelSuite.peers = [ourId, foreignId];
