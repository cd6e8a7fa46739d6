// libwebrtc in a process of its own: a crash in native code fails one peer and not the test run.
import wrtc from '@roamhq/wrtc';
import WebSocket from 'ws';
import { ForeignAgent } from './foreign_agent.mjs';

const agent = new ForeignAgent(
  { RTCPeerConnection: wrtc.RTCPeerConnection, WebSocket },
  (event) => process.send({ event }),
);

process.on('message', async ({ call, command }) => {
  try {
    process.send({ call, result: (await agent.command(command)) ?? null });
  } catch (error) {
    process.send({ call, failure: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit(0));
process.send({ event: { event: 'ready' } });
