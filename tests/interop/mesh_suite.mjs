// The real sidecar with an agent on its socket against a foreign 0.4-style peer, in both roles.
import assert from 'node:assert/strict';
import test from 'node:test';
import { sha256, toBytes } from './lib/content.mjs';
import { Sidecar } from './lib/sidecar.mjs';

const ourId = 'sidecar-peer';
const foreignId = 'foreign-peer';

const meshMessage = (type, payload, request = '') => JSON.stringify({
  type, request_id: request, source_agent: 'a', target_agent: 'b', payload,
});
// A message whose payload fills it up to about `size` bytes of text, multi-byte characters too.
const largeMessage = (size) => meshMessage('agent_prompt', { text: 'abcdefgh 漢é🙂 '.repeat(size / 19) });

const ours = {
  connected: (sidecar, options) =>
    sidecar.events.wait({ type: 'peer_connected', peer_id: foreignId }, options),
  disconnected: (sidecar, options) =>
    sidecar.events.wait({ type: 'peer_disconnected', peer_id: foreignId }, options),
};
const theirs = {
  open: (peer) => peer.events.wait({ event: 'open', peer: ourId, label: 'mesh' }),
  closed: (peer, options) =>
    peer.events.wait({ event: 'channel_closed', peer: ourId, label: 'mesh' }, options),
  send: (peer, text) => peer.command({ cmd: 'send_text', peer: ourId, text }),
  message: (peer, options) => peer.events.wait({ event: 'message', peer: ourId }, options),
};

async function expectAtForeign(sidecar, peer, text) {
  sidecar.send(foreignId, text);
  const received = await theirs.message(peer);
  assert.equal(received.kind, 'text');
  assert.equal(received.sha256, await sha256(toBytes(text)));
}

async function expectAtAgent(sidecar, peer, text) {
  await theirs.send(peer, text);
  const { from, line } = await sidecar.events.wait({ type: 'message' });
  assert.equal(from, foreignId);
  assert.ok(line.includes(`"message":${text}`), 'the message is the bytes that were sent');
}

async function checkPing(sidecar, peer) {
  await expectAtAgent(sidecar, peer, meshMessage('ping', {}, 'r1'));
  await expectAtForeign(sidecar, peer, meshMessage('pong', {}, 'r1'));
  await expectAtForeign(sidecar, peer, meshMessage('ping', {}, 'r2'));
  await expectAtAgent(sidecar, peer, meshMessage('pong', {}, 'r2'));
}

async function checkTask(sidecar, peer) {
  const task = { skill: 'add', args: { a: 1, b: 2 }, timeout_ms: 1000 };
  await expectAtAgent(sidecar, peer, meshMessage('task_request', task, 't1'));
  await expectAtForeign(sidecar, peer, meshMessage('task_response', { result: '3' }, 't1'));
  // The flat form of 0.4, and an answer with both keys.
  const flat = { skill: 'add', message: 'add 1 and 2', a: 1, b: 2 };
  await expectAtForeign(sidecar, peer, meshMessage('task_request', flat, 't2'));
  await expectAtAgent(sidecar, peer, meshMessage('task_response', { result: '3', error: '' }, 't2'));
}

async function checkLarge(sidecar, peer) {
  for (const size of [64 * 1024, 250 * 1024]) {
    await expectAtAgent(sidecar, peer, largeMessage(size));
    await expectAtForeign(sidecar, peer, largeMessage(size));
  }
}

async function checkOrder(sidecar, peer) {
  const count = 1000;
  const texts = Array.from({ length: count }, (_, n) => meshMessage('x_numbered', { n }));
  for (const text of texts) sidecar.send(foreignId, text);
  const sending = texts.reduce((last, text) => last.then(() => theirs.send(peer, text)),
    Promise.resolve());
  const [atForeign, atAgent] = await Promise.all([
    peer.events.take(count, { event: 'message', peer: ourId }, { within: 30_000 }),
    sidecar.events.take(count, { type: 'message', inner: 'x_numbered' }, { within: 30_000 }),
    sending,
  ]);
  assert.deepEqual(atForeign.map(({ text }) => text), texts);
  assert.deepEqual(atAgent.map(({ message }) => message.payload.n), texts.map((_, n) => n));
}

// What is no mesh message is not the agent's to see, and does no harm to the link.
async function checkStrangeMessages(sidecar, peer) {
  await peer.command({ cmd: 'send', peer: ourId, kind: 'binary', size: 100, seed: 1 });
  for (const text of ['', 'hello', '[1]', '{"type":', '"text"']) await theirs.send(peer, text);
  await expectAtAgent(sidecar, peer, meshMessage('ping', {}, 'after'));
}

async function checkCommands(sidecar, peer) {
  sidecar.write('{"type":"list_peers","id":"l1","payload":{}}');
  const { peers } = await sidecar.events.wait({ type: 'peer_list', id: 'l1' });
  assert.deepEqual(peers, [foreignId]);
  sidecar.send(foreignId, meshMessage('ping', {}, 'r3'), 's1');
  await sidecar.events.wait({ type: 'ok', id: 's1' });
  await theirs.message(peer);
  sidecar.send('nobody', meshMessage('ping', {}, 'r4'), 's2');
  const refusal = await sidecar.events.wait({ type: 'error', id: 's2' });
  assert.equal(refusal.code, 'unknown_peer');
}

// Closed by the foreign peer, then by ours; each time a new offer brings the link back.
async function checkReopen(sidecar, peer, restartSidecar) {
  await peer.command({ cmd: 'close', peer: ourId });
  await ours.disconnected(sidecar, { within: 5_000 });
  await peer.command({ cmd: 'offer', peer: ourId });
  await Promise.all([ours.connected(sidecar), theirs.open(peer)]);
  await checkPing(sidecar, peer);

  const restarted = await restartSidecar(() => theirs.closed(peer, { within: 5_000 }));
  await Promise.all([ours.connected(restarted), theirs.open(peer)]);
  await checkPing(restarted, peer);
}

async function runRole(t, role, { registry, foreign, address }) {
  const peer = await foreign.makePeer();
  let sidecar;
  const startSidecar = async () => {
    sidecar = await Sidecar.start({ registry, peer: ourId, address });
    return sidecar;
  };
  const joinForeign = async () => {
    const token = await registry.token(foreignId);
    await peer.command({ cmd: 'join', url: registry.signalingUrl, token, self: foreignId });
    return (await peer.events.wait({ event: 'joined' })).peers;
  };
  try {
    let link;
    await t.test('opens', async () => {
      if (role === 'they offer') {
        await startSidecar();
        await sidecar.joined();
        assert.deepEqual(await joinForeign(), [ourId]);
      } else {
        await joinForeign();
        await startSidecar();
      }
      [{ link }] = await Promise.all([ours.connected(sidecar), theirs.open(peer)]);
    });
    if (!link) return;
    await t.test('the link says how it came about', () => {
      assert.equal(link.role, role === 'they offer' ? 'answerer' : 'offerer');
      assert.equal(link.path, 'direct');
      assert.ok(link.phases_ms.total > 0);
    });
    await t.test('ping and pong both ways', () => checkPing(sidecar, peer));
    await t.test('task_request and task_response both ways', () => checkTask(sidecar, peer));
    await t.test('64 KiB and 250 KiB both ways', () => checkLarge(sidecar, peer));
    await t.test('1,000 messages each way at once stay in order', () => checkOrder(sidecar, peer));
    await t.test('binary and broken messages do no harm', () => checkStrangeMessages(sidecar, peer));
    await t.test('commands with an id are answered', () => checkCommands(sidecar, peer));
    await t.test('the link closes from either side and opens again', () =>
      checkReopen(sidecar, peer, async (beforeRestart) => {
        assert.equal(await sidecar.stop(), 0);
        await beforeRestart();
        return startSidecar();
      }));
  } finally {
    await Promise.all([peer.stop(), sidecar?.stop()]);
  }
}

export function meshSuite(context) {
  for (const role of ['they offer', 'we offer'])
    test(`mesh messages through the sidecar, ${role}`, (t) => runRole(t, role, context));
}
meshSuite.peers = [ourId, foreignId];
