// node run.mjs chromium|libwebrtc: the interop tests with one kind of foreign peer. Exit code 0:
// all passed, 1: some failed, 77: skipped, because something they need is not there.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import { address, isInside, runInside, setUp, skipped } from './lib/namespace.mjs';
import { missingPrograms } from './lib/programs.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const starters = {
  chromium: async () => (await import('./lib/chromium.mjs')).startChromium(),
  libwebrtc: async () => (await import('./lib/libwebrtc.mjs')).startLibwebrtc(),
};

function skip(reason) {
  console.log(`skipped: ${reason}`);
  process.exit(skipped);
}

function installPackages() {
  if (existsSync(`${here}/node_modules/.package-lock.json`)) return;
  const { status, stderr } = spawnSync('npm', ['ci', '--prefer-offline'],
    { cwd: here, encoding: 'utf8' });
  if (status !== 0) skip(`npm ci failed: ${stderr?.trim()}`);
}

async function runTests(kind) {
  setUp();
  const { Registry } = await import('./lib/registry.mjs');
  const { channelSuite } = await import('./channel_suite.mjs');
  const { meshSuite } = await import('./mesh_suite.mjs');
  const context = { address };
  test.before(async () => {
    context.registry = await Registry.start({
      listen: address, peers: [...channelSuite.peers, ...meshSuite.peers],
    });
    context.foreign = await starters[kind]();
    console.log(`foreign peer: ${context.foreign.name}`);
  });
  test.after(async () => {
    await context.foreign?.stop();
    await context.registry?.stop();
  });
  channelSuite(context);
  meshSuite(context);
}

const kind = process.argv[2];
if (!starters[kind]) {
  console.error(`usage: node run.mjs ${Object.keys(starters).join('|')}`);
  process.exit(2);
}
if (isInside()) {
  await runTests(kind);
} else {
  const missing = missingPrograms();
  if (missing.length > 0) skip(`not built: ${missing.join(', ')}`);
  installPackages();
  process.exit(await runInside(fileURLToPath(import.meta.url), [kind]));
}
