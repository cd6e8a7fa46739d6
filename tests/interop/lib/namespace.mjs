// libwebrtc ignores hosts that have nothing but loopback, and no test may touch the real network.
// So everything runs in a network namespace of its own, with a veth pair that leads nowhere. The
// process namespace goes with it: when its first process ends, whatever was started inside is
// killed and the network is gone, also after a crash.
import { spawn, spawnSync } from 'node:child_process';

export const address = '10.77.0.1';
export const skipped = 77;

const marker = 'CHATIXIA_TEST_NAMESPACE';
const isolation = ['--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];

function isolationArguments() {
  return process.getuid() === 0 ? isolation : ['--user', '--map-root-user', ...isolation];
}

export function isInside() {
  return process.env[marker] === '1';
}

// Runs `node script ...args` inside and resolves with its exit code; `skipped` where the kernel
// or the container does not allow namespaces.
export function runInside(script, args) {
  const unshare = isolationArguments();
  const probe = spawnSync('unshare', [...unshare, 'ip', 'link', 'add', 'v0', 'type', 'veth',
    'peer', 'name', 'v1'], { encoding: 'utf8' });
  if (probe.status !== 0) {
    const reason = probe.error?.message ?? probe.stderr.trim();
    console.log(`skipped: no network namespace can be made here: ${reason}`);
    return Promise.resolve(skipped);
  }
  const child = spawn('unshare', [...unshare, process.execPath, script, ...args],
    { stdio: 'inherit', env: { ...process.env, [marker]: '1' } });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill('SIGKILL'));
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
}

export function setUp() {
  const commands = [
    'link set lo up',
    'link add v0 type veth peer name v1',
    `addr add ${address}/24 dev v0`,
    'link set v0 up',
    'link set v1 up',
    // libwebrtc takes the address of the default route; nobody is behind it.
    'route add default via 10.77.0.2',
  ];
  for (const command of commands) {
    const { status, stderr } = spawnSync('ip', command.split(' '), { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${command}: ${stderr.trim()}`);
  }
}
