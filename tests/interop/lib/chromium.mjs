// Headless Chromium, one page a peer. The page is served from loopback, which browsers count as a
// secure context, so that the page may compute digests.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import { EventQueue } from './event_queue.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  // Host candidates with addresses: there is no multicast DNS in the namespace.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
];

async function servePage() {
  const server = createServer(async ({ url }, response) => {
    if (url === '/') {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>interop peer</title>');
      return;
    }
    const name = url.match(/^\/(\w+\.mjs)$/)?.[1];
    const script = name && await readFile(new URL(name, import.meta.url)).catch(() => null);
    response.statusCode = script ? 200 : 404;
    response.setHeader('content-type', 'text/javascript');
    response.end(script ?? '');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

// Runs in the page: events gather in an array that the test collects batch by batch.
async function installAgent() {
  const { ForeignAgent } = await import('/foreign_agent.mjs');
  const events = [];
  let wake = () => {};
  globalThis.nextEvents = async () => {
    if (events.length === 0) await new Promise((resolve) => { wake = resolve; });
    return events.splice(0);
  };
  globalThis.agent = new ForeignAgent(globalThis, (event) => {
    events.push(event);
    wake();
  });
}

class ChromiumPeer {
  #page;

  constructor(page) {
    this.#page = page;
    this.events = new EventQueue('chromium');
    this.#collect();
  }

  async #collect() {
    try {
      for (;;) {
        for (const event of await this.#page.evaluate(() => globalThis.nextEvents())) {
          if (process.env.VERBOSE) console.error('chromium >', JSON.stringify(event).slice(0, 300));
          this.events.push(event);
        }
      }
    } catch (error) {
      this.events.end(`the page is gone: ${error.message.split('\n')[0]}`);
    }
  }

  command(command) {
    return this.#page.evaluate((fields) => globalThis.agent.command(fields), command);
  }

  async stop() {
    await this.#page.close();
  }
}

export async function startChromium() {
  const server = await servePage();
  // Without a profile of ours playwright makes an empty one and removes it.
  const browser = await chromium.launch({ executablePath, args: flags });
  return {
    name: `chromium ${browser.version()}`,
    async makePeer() {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      await page.evaluate(installAgent);
      return new ChromiumPeer(page);
    },
    async stop() {
      await browser.close();
      server.close();
    },
  };
}
